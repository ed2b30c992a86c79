// Ages, clocks and local times. Moments in the page are RFC 3339 UTC.

let ahead = 0; // of the server's clock before ours, in milliseconds

export function learnServerTime(response) {
  const told = Date.parse(response.headers.get("Date") ?? "");
  if (!Number.isNaN(told)) ahead = told - Date.now();
}

export const serverNow = () => Date.now() + ahead;

export function age(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

let silent = false;

// Whether nobody answers: then everything on the page is stale, however young.
export function setSilent(now) {
  silent = now;
  tick();
}

function tick() {
  const now = new Date(serverNow());
  for (const clock of document.querySelectorAll("[data-clock]")) clock.textContent = now.toISOString().slice(11, 19);
  let anyStale = silent;
  for (const fresh of document.querySelectorAll("[data-fresh]")) {
    const seconds = Math.max(0, Math.round((now - Date.parse(fresh.dataset.fresh)) / 1000));
    const stale = silent || seconds > Number(fresh.dataset.staleAfter);
    const told = fresh.querySelector("[data-age]");
    if (told) told.textContent = `, ${stale ? "stale, " : ""}${age(seconds)} ago`;
    anyStale ||= stale;
  }
  document.documentElement.toggleAttribute("data-stale", anyStale);
}

const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

function nameLocalTime(event) {
  const time = event.target.closest?.("time[data-local]");
  if (time && !time.title) time.title = `${local.format(new Date(time.dateTime))} here`;
}

export function startClocks() {
  addEventListener("pointerover", nameLocalTime, { passive: true });
  addEventListener("tbot:refreshed", tick);
  tick();
  setInterval(tick, 1000);
}
