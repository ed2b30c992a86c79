// The confirm step in a dialog: the server's own page is fetched and its question shown.
import { icon } from "./icon.js";
import { toast } from "./toast.js";

// `acted` is called when an act was taken.
export function confirmActs(dialog, acted) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-confirm]");
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    ask(dialog, link.href);
  });
  dialog.addEventListener("close", () => {
    // a refresh may have replaced the button that was pressed, the act taken it away, or a turned phone folded it in
    const openers = [`a[href="${dialog.dataset.for}"]`, ".act-kill", "a[data-confirm]"];
    const lost = () => document.activeElement === document.body || dialog.contains(document.activeElement);
    for (const opener of openers) if (lost()) document.querySelector(opener)?.focus();
  });
  dialog.addEventListener("click", (event) => {
    if (!event.target.closest("[data-cancel]")) return;
    event.preventDefault();
    dialog.close();
  });
  dialog.addEventListener("submit", (event) => {
    event.preventDefault();
    send(dialog, event.target, acted);
  });
}

async function ask(dialog, address) {
  const response = await fetch(address).catch(() => null);
  if (!response || response.redirected) {
    location.assign(address); // the page itself says what is wrong, or asks to sign in
    return;
  }
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const question = page.getElementById("confirm");
  if (!question) {
    location.assign(address);
    return;
  }
  dialog.dataset.for = new URL(address).pathname;
  dialog.replaceChildren(document.adoptNode(question));
  dialog.showModal();
}

async function send(dialog, form, acted) {
  const fields = Object.fromEntries(new FormData(form));
  const button = form.querySelector("button:not([type=button])");
  button.disabled = true;
  const response = await fetch(form.action, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "Idempotency-Key": fields.request_id,
      "X-CSRFToken": fields.csrf_token,
    },
    body: JSON.stringify({
      reason: fields.reason,
      typed: fields.typed,
      subject: fields.subject,
      password: fields.password,
    }),
  }).catch(() => null);
  button.disabled = false;
  const answer = await response?.json().catch(() => null);
  if (response?.ok && answer) {
    dialog.close();
    toast("ok", answer.message);
    acted();
  } else if (response?.status === 401) location.reload();
  else refuse(form, answer ?? NO_ANSWER);
}

const NO_ANSWER = {
  title: "No answer from the portal",
  detail: "It is not known whether the act was taken.",
  next_step: "Look at the state on the bar above, then send it again: it is done once, however often it is sent.",
};

function refuse(form, problem) {
  form.querySelector(".problem")?.remove();
  const box = document.createElement("section");
  box.className = "problem";
  box.setAttribute("role", "alert");
  const title = document.createElement("h2");
  title.append(icon("mark-bad"), problem.title);
  box.append(title);
  const sentences = [problem.detail, problem.next_step, ...Object.values(problem.fields ?? {})];
  if (problem.error_id) sentences.push(`Error id ${problem.error_id}`);
  for (const sentence of sentences.filter(Boolean)) {
    const paragraph = document.createElement("p");
    paragraph.textContent = sentence;
    box.append(paragraph);
  }
  form.prepend(box);
  toast("bad", problem.title);
}
