// Waits until there is something else to show.
const POLL_MS = 2000;

// Calls `changed` once the control process answers and the bot is in another state than `left`, if one is given.
export const whenBack = (told, left, changed) => {
  const look = async () => {
    try {
      const answer = await fetch("/healthz", { headers: { "X-Poll": "1" }, cache: "no-store" });
      const now = await answer.json();
      if (now.status === "ok" && (!left || now.state !== left)) {
        changed();
        return;
      }
      told.textContent = now.status === "ok" ? "" : "Waiting for the control process to answer.";
    } catch {
      told.textContent = "The portal does not answer; still trying.";
    }
    setTimeout(look, POLL_MS);
  };
  setTimeout(look, POLL_MS);
};
