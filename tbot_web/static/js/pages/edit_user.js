// The link is shown once, so copying it should be easy; forms show that they are at work.
import { copyOnPress } from "../copy.js";
import "../working.js";

const address = document.getElementById("address");
if (address) copyOnPress(() => address.textContent, "link by hand");
