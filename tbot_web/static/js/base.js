// Every page loads this: clocks, refresh in place, shortcuts, links between panels.
import { focusFilter, onShortcut } from "./keys.js";
import { refresh, remember } from "./live.js";
import { isFramed, listen, toShell } from "./messages.js";
import { isPaused, setPaused, StatusPoll } from "./poll.js";
import { setSilent, startClocks } from "./time.js";

const RETRY_MS = 3_000;

remember();
startClocks();

if (document.body.dataset.page !== "main") {
  onShortcut({
    go: (letter) => toShell("key", { key: letter }),
    filter: focusFilter,
    help: () => toShell("key", { key: "?" }),
  });
  const changed = async () => {
    const fetched = await refresh().catch(() => null); // the next poll tells the person that nothing answers
    if (fetched) dispatchEvent(new Event("tbot:refreshed"));
  };
  if (isFramed) {
    listen({ status: changed, filter: focusFilter, silent: (told) => setSilent(told.silent === true) });
    toShell("ready");
  } else if (document.querySelector("[data-live]")) {
    new StatusPoll({ onChange: changed, onAnswer: (reached) => setSilent(!reached) }).start();
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-panel]");
  if (link && isFramed && !event.ctrlKey && !event.metaKey && link.dataset.panel !== document.body.dataset.page) {
    event.preventDefault();
    toShell("open", { panel: link.dataset.panel, path: link.getAttribute("href") });
  }
  if (event.target.closest("[data-pause-updates]")) setPaused(!isPaused());
});

function showPaused() {
  for (const button of document.querySelectorAll("[data-pause-updates]")) {
    button.textContent = isPaused() ? "updates paused, resume" : "pause";
  }
}
showPaused();
addEventListener("tbot:paused", showPaused);
addEventListener("tbot:refreshed", showPaused);
addEventListener("storage", showPaused);

// A panel that could not be shown tries again by itself.
if (document.querySelector("[data-retry-panel]")) {
  setInterval(async () => {
    const response = await fetch(location.href, { headers: { "X-Poll": "1" } }).catch(() => null);
    if (response?.ok || response?.status === 401) location.reload();
  }, RETRY_MS);
}
