// Runs before the first paint: the chosen theme, and whether this page stands in a frame.
(() => {
  const root = document.documentElement;
  const apply = () => {
    const theme = localStorage.getItem("tbot_theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
  };
  apply();
  addEventListener("storage", (event) => {
    if (event.key === "tbot_theme" || event.key === null) apply();
  });
  addEventListener("tbot:theme", apply);
  if (self !== top) root.dataset.framed = "";
  root.dataset.js = "";
})();
