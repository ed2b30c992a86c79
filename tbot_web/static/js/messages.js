// What shell and panels say to each other. Only our own origin is heard, and only these kinds.
//
//   panel to shell   ready {}                  the panel listens
//                    open {panel, path}        show a panel, at a path of its own
//                    key {key}                 a shortcut was typed in the panel
//                    toast {tone, text}        the result of a person's act
//                    signed-out {}             the session is over
//   shell to panel   status {}                 the status document has changed
//                    silent {silent}           whether nobody answers, so that figures are stale
//                    filter {}                 put the cursor into the panel's filter

export const isFramed = self !== top;

export function toShell(kind, details = {}) {
  if (isFramed) parent.postMessage({ kind, ...details }, location.origin);
}

export function toPanel(frame, kind, details = {}) {
  frame.contentWindow?.postMessage({ kind, ...details }, location.origin);
}

// `handlers` maps a kind to a function of (message, source window).
export function listen(handlers) {
  addEventListener("message", (event) => {
    if (event.origin !== location.origin || typeof event.data?.kind !== "string") return;
    if (Object.hasOwn(handlers, event.data.kind)) handlers[event.data.kind](event.data, event.source);
  });
}
