// Work that takes its time: after a second the page says what is done, and for how long already.
import { age } from "./time.js";

document.addEventListener("submit", (event) => {
  const words = event.target.dataset.working;
  const working = document.getElementById("working");
  if (!words || !working) return;
  if (event.target.hasAttribute("data-sent")) {
    event.preventDefault(); // it is under way
    return;
  }
  event.target.setAttribute("data-sent", "");
  const began = Date.now();
  setInterval(() => {
    working.hidden = false;
    working.querySelector("[data-working-words]").textContent = `${words}, ${age(Math.floor((Date.now() - began) / 1000))}`;
  }, 1000);
});
// a page that is shown again from the browser's memory is not at work
addEventListener("pageshow", (event) => event.persisted && location.reload());
