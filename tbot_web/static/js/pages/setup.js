// Shows only the fields that the chosen broker and feed use.
const form = document.querySelector("form.settings");

const show = () => {
  const simulated = (form.dataset.simulated ?? "").split(" ").includes(form.elements.BROKER_CODE.value);
  const replay = form.elements.SIM_FEED.value === "replay";
  form.querySelector('[data-group="Simulated market"]').hidden = !simulated;
  form.querySelector('[data-field="SIM_REPLAY_DIR"]').hidden = !replay;
  form.querySelector('[data-field="SIM_SEED"]').hidden = replay;
};

if (form) {
  form.addEventListener("change", show);
  show();
  form.querySelector('[aria-invalid="true"]')?.focus();
}
