// The shell: one open panel, the control bar, one poll for all, the end of the session.
import { confirmActs } from "../confirm.js";
import { onShortcut } from "../keys.js";
import { refresh } from "../live.js";
import { listen, toPanel } from "../messages.js";
import { StatusPoll } from "../poll.js";
import { watchSession } from "../session.js";
import { serverNow, setSilent } from "../time.js";
import { activity, toast } from "../toast.js";

const CLOSING_MS = 2_000;
const shell = document.getElementById("shell");
const all = (selector) => [...document.querySelectorAll(selector)];
const named = (selector, name) => new Map(all(selector).map((found) => [found.dataset[name], found]));
const frames = named("iframe[data-panel]", "panel");
const links = named("nav a[data-open]", "open");

// Panels

const opened = () => [...frames.values()].find((frame) => !frame.hidden);

function open(slug, path = null, { push = true } = {}) {
  const frame = frames.get(slug);
  if (!frame) return;
  for (const other of frames.values()) other.hidden = other !== frame;
  for (const [name, link] of links) {
    if (name === slug) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (path) frame.src = path;
  else if (!frame.getAttribute("src")) frame.src = frame.dataset.src;
  else toPanel(frame, "status");
  if (push) history.pushState({ panel: slug }, "", `/?panel=${encodeURIComponent(slug)}`);
  closeMenu();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-open]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  document.getElementById("account-menu").open = false;
  open(link.dataset.open);
});
addEventListener("popstate", () => {
  const slug = new URLSearchParams(location.search).get("panel") ?? frames.keys().next().value;
  open(slug, null, { push: false });
});

// Poll

const unreachable = document.querySelector("[data-unreachable]");
let heardAt = null; // when the last good answer came

function answered(reached) {
  if (reached) heardAt = new Date(serverNow());
  else if (heardAt) {
    for (const since of unreachable.querySelectorAll("[data-since]")) since.hidden = false;
    unreachable.querySelector("time").textContent = heardAt.toISOString().slice(11, 19);
  }
  if (reached === unreachable.hidden) return;
  unreachable.hidden = reached;
  setSilent(!reached);
  for (const frame of frames.values()) toPanel(frame, "silent", { silent: !reached });
}

async function changed() {
  const frame = opened();
  if (frame) toPanel(frame, "status");
  const fetched = await refresh().catch(() => null); // the poll itself says when nothing answers
  dispatchEvent(new Event("tbot:refreshed"));
  const now = fetched?.getElementById("shell");
  if (!now) return;
  if (now.dataset.closing !== shell.dataset.closing) location.reload(); // other panels exist now
  shell.dataset.expires = now.dataset.expires;
  shell.dataset.until = now.dataset.until;
}

const poll = new StatusPoll({
  onChange: changed,
  onAnswer: answered,
  ...(shell.dataset.closing ? { everyMs: CLOSING_MS } : {}),
});
poll.start();
confirmActs(document.getElementById("confirm-dialog"), () => poll.soon());
watchSession(shell, document.getElementById("session-dialog"), changed);

// Messages and shortcuts

const byKey = named("nav a[data-key]", "key");

function go(letter) {
  const link = byKey.get(letter);
  if (link) open(link.dataset.open);
}

function help() {
  const dialog = document.getElementById("shortcuts-dialog");
  if (!document.querySelector("dialog[open]")) dialog.showModal();
}

const isOwnPath = (path) => typeof path === "string" && /^\/[a-z_]+\//.test(path);

listen({
  ready: (_, panel) => panel.postMessage({ kind: "silent", silent: !unreachable.hidden }, location.origin),
  open: ({ panel, path }) => open(panel, isOwnPath(path) ? path : null),
  key: ({ key }) => (key === "?" ? help() : go(String(key))),
  toast: ({ tone, text }) => toast(tone, String(text)),
  "signed-out": () => location.reload(),
});
onShortcut({
  go,
  help,
  filter: () => {
    const frame = opened();
    frame?.focus();
    if (frame) toPanel(frame, "filter");
  },
});

// Menus, theme, activity

const toggles = all("[data-nav-toggle], [data-acts-toggle]");
const isOpen = (toggle) => toggle.getAttribute("aria-expanded") === "true";

function closeMenu() {
  for (const toggle of toggles) toggle.setAttribute("aria-expanded", "false");
}
for (const toggle of toggles) {
  toggle.addEventListener("click", () => {
    const opens = !isOpen(toggle);
    closeMenu();
    toggle.setAttribute("aria-expanded", String(opens));
  });
}
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  closeMenu();
  document.getElementById("account-menu").open = false;
});

function showTheme() {
  const chosen = localStorage.getItem("tbot_theme") ?? "auto";
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === chosen));
  }
}
for (const button of document.querySelectorAll("[data-theme-choice]")) {
  button.addEventListener("click", () => {
    localStorage.setItem("tbot_theme", button.dataset.themeChoice);
    dispatchEvent(new Event("tbot:theme"));
    showTheme();
  });
}
showTheme();

document.querySelector("[data-shortcuts-open]").addEventListener("click", help);
document.querySelector("[data-activity-open]").addEventListener("click", () => {
  const entries = activity().map(({ at, tone, text }) => {
    const entry = document.createElement("li");
    entry.className = tone === "bad" ? "down" : "";
    entry.textContent = `${at.slice(11, 19)} UTC  ${text}`;
    return entry;
  });
  document.querySelector("[data-activity]").replaceChildren(...entries);
  document.querySelector("[data-activity-none]").hidden = entries.length > 0;
  document.getElementById("activity-dialog").showModal();
});
