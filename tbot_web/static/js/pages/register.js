// Copies the recovery codes or keeps them as a text file; they are on this page alone.
const list = document.getElementById("codes");
const told = document.getElementById("told");
const text = () => [...list.querySelectorAll("code")].map((code) => code.textContent).join("\n") + "\n";

const copy = async () => {
  try {
    await navigator.clipboard.writeText(text());
    told.textContent = "Copied.";
  } catch {
    told.textContent = "The browser did not allow copying; select the codes, or download them.";
  }
};

const download = () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text()], { type: "text/plain" }));
  link.download = "tradebot-recovery-codes.txt";
  link.click();
  URL.revokeObjectURL(link.href);
  told.textContent = "Downloaded as tradebot-recovery-codes.txt.";
};

if (list) {
  for (const [id, act] of [["copy", copy], ["download", download]]) {
    const button = document.getElementById(id);
    button.hidden = false;
    button.addEventListener("click", act);
  }
}
document.querySelector('[aria-invalid="true"]')?.focus();
