// Tests a connection without leaving the page, so that what was typed, passwords too, stays where it is.
import "../working.js";
import { icon } from "../icon.js";

const token = document.querySelector("meta[name=csrf-token]").content;

const typedIn = (form) => {
  const values = {};
  for (const { name, value, type, checked } of form.elements) {
    if (type === "checkbox" && checked) values[name.replace("clear-", "")] = "";
    else if (/^[A-Z_]+$/.test(name) && (type !== "password" || value)) values[name] = value;
  }
  return values;
};

const say = (place, look, word, text) => {
  const mark = document.createElement("span");
  mark.className = `mark mark-${look}`;
  mark.append(icon(`mark-${look}`), word);
  const words = document.createElement("span");
  words.textContent = text;
  place.replaceChildren(mark, words);
};

const NO_ANSWER = { title: "No answer from the portal", detail: "Nothing was changed.", next_step: "Try again." };

const test = async (form, button) => {
  const place = form.querySelector(".tested");
  button.disabled = true;
  say(place, "unknown", "Trying", "This takes 10 seconds at most.");
  const response = await fetch(form.dataset.test, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": token },
    body: JSON.stringify({ values: typedIn(form) }),
  }).catch(() => null);
  const answer = (await response?.json().catch(() => null)) ?? NO_ANSWER;
  button.disabled = false;
  if (response?.ok) say(place, answer.ok ? "ok" : "bad", answer.ok ? "Connection works" : "Connection failed", answer.detail);
  else say(place, "warn", answer.title, [answer.detail, ...Object.values(answer.fields ?? {}), answer.next_step].filter(Boolean).join(" "));
};

for (const form of document.querySelectorAll("form[data-test]")) {
  form.addEventListener("submit", (event) => {
    if (event.submitter?.value !== "test") return;
    event.preventDefault();
    test(form, event.submitter);
  });
}
// The answer to a form stands at the form's address; whoever reloads or refreshes it wants the page itself.
if (!location.pathname.endsWith("/rotate")) history.replaceState(null, "", "/configuration");
document.querySelector('[aria-invalid="true"]')?.focus();
