// Copies the recovery codes or keeps them as a text file; they are on this page alone.
import { copyOnPress } from "./copy.js";

const list = document.getElementById("codes");
const told = document.getElementById("told");
const text = () => [...list.querySelectorAll("code")].map((code) => code.textContent).join("\n") + "\n";

const download = () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text()], { type: "text/plain" }));
  link.download = "tradebot-recovery-codes.txt";
  link.click();
  URL.revokeObjectURL(link.href);
  told.textContent = "Downloaded as tradebot-recovery-codes.txt.";
};

if (list) {
  copyOnPress(text, "codes, or download them");
  const button = document.getElementById("download");
  button.hidden = false;
  button.addEventListener("click", download);
}
document.querySelector('[aria-invalid="true"]')?.focus();
