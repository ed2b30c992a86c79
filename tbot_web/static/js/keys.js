// Shortcuts: `g` and a letter go to a panel, `/` filters, `?` lists them. Not while typing, not with other keys held.

const GO_MS = 1_500;
let goUntil = 0;

const isTyping = (target) => target.closest?.("input, select, textarea, [contenteditable]");

// `go(letter)`, `filter()` and `help()` are called; each is optional.
export function onShortcut({ go, filter, help }) {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (Date.now() < goUntil) {
      goUntil = 0;
      if (/^[a-z]$/.test(event.key)) go?.(event.key);
    } else if (event.key === "g") goUntil = Date.now() + GO_MS;
    else if (event.key === "/" && filter) {
      event.preventDefault();
      filter();
    } else if (event.key === "?") help?.();
  });
}

export function focusFilter() {
  const field = document.querySelector("[data-filter]");
  field?.focus();
  field?.select?.();
}
