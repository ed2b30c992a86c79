// Follows the steps of the set-up and goes on by itself when the bot is in its next phase.
const POLL_MS = 1000;
const NEXT = { registration: "/register", main: "/login", error: "/" };
const silent = document.getElementById("silent");

const get = (address) => fetch(address, { headers: { "X-Poll": "1" }, cache: "no-store", redirect: "manual" });

// Exchanges only what differs, so that the mark of the step at work turns on evenly and the bar grows.
const follow = (shown, fresh) => {
  if (shown.isEqualNode(fresh)) return;
  if (shown.tagName !== fresh.tagName || shown.children.length !== fresh.children.length) {
    shown.replaceWith(document.adoptNode(fresh));
    return;
  }
  for (const { name, value } of fresh.attributes) shown.setAttribute(name, value);
  const parts = [...fresh.children];
  if (parts.length) parts.forEach((part, index) => follow(shown.children[index], part));
  else shown.textContent = fresh.textContent;
};

const followProgress = async (answer) => {
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("progress");
  if (fresh) follow(document.getElementById("progress"), fresh);
};

const look = async () => {
  try {
    const { phase, status } = await (await get("/healthz")).json();
    if (phase in NEXT) {
      location.replace(NEXT[phase]);
      return;
    }
    const answer = await get("/configuration/wait");
    if (answer.ok) await followProgress(answer);
    silent.hidden = status === "ok";
  } catch {
    silent.hidden = false;
  }
  setTimeout(look, POLL_MS);
};

setTimeout(look, POLL_MS);
