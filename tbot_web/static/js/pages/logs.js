// The live tail: new lines are appended while the end is in view.

const EVERY_MS = 2_000;
const KEPT_MAX = 2_000;
const lines = document.getElementById("lines");
const form = document.querySelector("form.filters");
const tail = document.querySelector("[data-tail]");
let paused = false;

for (const choice of form?.querySelectorAll("select") ?? []) {
  choice.addEventListener("change", () => form.requestSubmit());
}

const isAtEnd = () => lines.scrollHeight - lines.scrollTop - lines.clientHeight < 24;

function say(words) {
  const output = tail.querySelector("[data-tail-words]");
  if (output.textContent !== words) output.textContent = words;
}

async function append() {
  const address = `${lines.dataset.more}&after=${lines.dataset.after}&file=${lines.dataset.file}`;
  const response = await fetch(address, { headers: { "X-Poll": "1" } }).catch(() => null);
  if (response?.status === 401) location.reload();
  if (!response?.ok) {
    say("No answer; trying again");
    return;
  }
  const page = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("lines");
  if (!page) return;
  lines.dataset.after = page.dataset.after;
  lines.dataset.file = page.dataset.file;
  const rows = [...page.querySelectorAll("tbody tr")];
  const body = lines.querySelector("tbody");
  body.append(...rows.map((row) => document.adoptNode(row)));
  if (rows.length) lines.querySelector(".empty")?.remove();
  while (body.rows.length > KEPT_MAX) body.rows[0].remove();
  if (rows.length) lines.scrollTop = lines.scrollHeight;
  say("Live");
}

async function tick() {
  if (paused) say("Paused");
  else if (!isAtEnd()) say("Stopped: scrolled up");
  else if (!document.hidden) await append();
  setTimeout(tick, EVERY_MS);
}

if (lines && tail) {
  tail.hidden = false;
  lines.scrollTop = lines.scrollHeight;
  const toggle = tail.querySelector("[data-tail-toggle]");
  toggle.addEventListener("click", () => {
    paused = !paused;
    toggle.setAttribute("aria-pressed", String(paused));
    toggle.textContent = paused ? "Resume" : "Pause";
    if (!paused) lines.scrollTop = lines.scrollHeight;
  });
  setTimeout(tick, EVERY_MS);
}
