// Follows the steps of the set-up and goes on by itself when the bot is in its next phase.
const POLL_MS = 1000;
const NEXT = { registration: "/register", main: "/login", error: "/" };
const silent = document.getElementById("silent");

const get = (address) => fetch(address, { headers: { "X-Poll": "1" }, cache: "no-store", redirect: "manual" });

const replaceProgress = async (answer) => {
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("progress");
  const shown = document.getElementById("progress");
  if (fresh && fresh.outerHTML !== shown.outerHTML) shown.replaceWith(document.adoptNode(fresh));
};

const look = async () => {
  try {
    const { phase, status } = await (await get("/healthz")).json();
    if (phase in NEXT) {
      location.replace(NEXT[phase]);
      return;
    }
    const answer = await get("/configuration/wait");
    if (answer.ok) await replaceProgress(answer);
    silent.hidden = status === "ok";
  } catch {
    silent.hidden = false;
  }
  setTimeout(look, POLL_MS);
};

setTimeout(look, POLL_MS);
