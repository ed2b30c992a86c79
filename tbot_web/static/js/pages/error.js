// An error that passes by itself: load the page again when it has.
import { whenBack } from "../comeback.js";

const told = document.getElementById("told");
if (told && "retry" in told.dataset) whenBack(told, told.dataset.left, () => location.replace(location.href));
