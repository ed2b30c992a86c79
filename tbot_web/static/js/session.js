// The session's end is announced two minutes before, and can be put off by a word of the person.
import { age, serverNow } from "./time.js";
import { toast } from "./toast.js";

const WARN_MS = 120_000;
const CHECK_MS = 1_000;

// `shell` holds the ends in data-expires (without a word) and data-until (for good); `check` brings them up to date.
export function watchSession(shell, dialog, check) {
  let checkedFor = null;
  const left = (moment) => (moment ? Date.parse(moment) - serverNow() : Infinity);

  async function look() {
    const remaining = Math.min(left(shell.dataset.expires), left(shell.dataset.until));
    if (remaining <= 0) location.reload();
    else if (remaining > WARN_MS) dialog.close();
    else if (checkedFor !== shell.dataset.expires) {
      checkedFor = shell.dataset.expires;
      await check(); // work in another tab may have extended it
    } else {
      dialog.querySelector("[data-left]").textContent = age(Math.ceil(remaining / 1000));
      if (!dialog.open && !document.querySelector("dialog[open]") && !dialog.dataset.left) dialog.showModal();
    }
  }

  dialog.querySelector("[data-session-leave]").addEventListener("click", () => {
    dialog.dataset.left = "yes";
    dialog.close();
  });
  dialog.querySelector("[data-session-extend]").addEventListener("click", async () => {
    const token = document.querySelector("meta[name=csrf-token]").content;
    const response = await fetch("/extend", { method: "POST", headers: { "X-CSRFToken": token } }).catch(() => null);
    if (!response?.ok) {
      toast("bad", "The session could not be extended. Sign in again when it ends.");
      return;
    }
    const ends = await response.json();
    shell.dataset.expires = ends.expires_at ?? "";
    shell.dataset.until = ends.absolute_expires_at ?? "";
    dialog.close();
    toast("ok", "You stay signed in.");
  });
  setInterval(look, CHECK_MS);
}
