// Goes to the start page when the bot is up again, and follows from going down to being down.
import { whenBack } from "../comeback.js";

const told = document.getElementById("told");
whenBack(told, told.dataset.left, () => location.replace("/"));
