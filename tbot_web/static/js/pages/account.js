// The recovery codes, once they are shown.
import "../codes.js";
