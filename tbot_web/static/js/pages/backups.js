// Verify, make and restore say that they are at work.
import "../working.js";
