// The result of a person's own act: said once, and kept in the activity list of this tab.
import { isFramed, toShell } from "./messages.js";
import { icon } from "./icon.js";

const KEPT = "tbot_activity";
const KEPT_MAX = 100;
const SHOWN_MS = 8_000;

// tone: ok or bad.
export function toast(tone, text) {
  if (isFramed) {
    toShell("toast", { tone, text });
    return;
  }
  keep({ at: new Date().toISOString(), tone, text });
  const box = document.createElement("div");
  box.className = `toast toast-${tone === "bad" ? "bad" : "ok"}`;
  const words = document.createElement("p");
  words.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "plain";
  close.setAttribute("aria-label", "Close");
  close.append(icon("close"));
  close.addEventListener("click", () => box.remove());
  box.append(icon(tone === "bad" ? "mark-bad" : "mark-ok"), words, close);
  document.getElementById("toasts").append(box);
  if (tone !== "bad") setTimeout(() => box.remove(), SHOWN_MS);
}

export const activity = () => JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");

function keep(entry) {
  sessionStorage.setItem(KEPT, JSON.stringify([entry, ...activity()].slice(0, KEPT_MAX)));
}
