// Refresh in place: the page is fetched again and the parts marked data-live whose HTML differs are exchanged.
import { learnServerTime } from "./time.js";

const before = new Map();

// Remember the parts as the server sent them, before scripts touch them.
export function remember() {
  for (const part of document.querySelectorAll("[data-live][id]")) before.set(part.id, part.outerHTML);
}

// Answers the fetched document, or null when the server had none to give.
export async function refresh() {
  const response = await fetch(location.href, { headers: { "X-Poll": "1" }, cache: "no-store" });
  learnServerTime(response);
  if (response.status === 401 || response.redirected) {
    location.reload();
    return null;
  }
  if (!response.ok) return null;
  const fetched = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of fetched.querySelectorAll("[data-live][id]")) exchange(part);
  return fetched;
}

function exchange(part) {
  const present = document.getElementById(part.id);
  if (!present || before.get(part.id) === part.outerHTML || isSelected(present)) return;
  before.set(part.id, part.outerHTML);
  const focused = pathTo(present, document.activeElement);
  const address = focused && document.activeElement.getAttribute("href");
  const opened = new Set([...present.querySelectorAll("details[open][id]")].map((details) => details.id));
  const scrolls = scrollables(present).map((element) => [element.scrollLeft, element.scrollTop]);
  present.replaceWith(document.adoptNode(part));
  for (const details of part.querySelectorAll("details[id]")) details.open ||= opened.has(details.id);
  scrollables(part).forEach((element, index) => {
    if (scrolls[index]) [element.scrollLeft, element.scrollTop] = scrolls[index];
  });
  // a link is known by its address, wherever it stands now
  const same = address && part.querySelector(`a[href=${JSON.stringify(address)}]`);
  if (focused) (same ?? follow(part, focused))?.focus({ preventScroll: true });
}

const scrollables = (part) => [part, ...part.querySelectorAll(".scroll")];

function isSelected(part) {
  const selection = getSelection();
  return selection.type === "Range" && selection.containsNode(part, true);
}

// The way from an element down to one inside it, as numbers of children.
function pathTo(top, inner) {
  if (!inner || !top.contains(inner)) return null;
  const path = [];
  for (let element = inner; element !== top; element = element.parentElement) {
    path.unshift([...element.parentElement.children].indexOf(element));
  }
  return path;
}

const follow = (top, path) => path.reduce((element, index) => element?.children[index], top);
