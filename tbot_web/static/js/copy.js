// The button #copy copies what `text` gives and says so in #told; `otherwise` is what to select by hand.
export function copyOnPress(text, otherwise) {
  const button = document.getElementById("copy");
  const told = document.getElementById("told");
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      told.textContent = "Copied.";
    } catch {
      told.textContent = `The browser did not allow copying; select the ${otherwise}.`;
    }
  });
}
