// A person who is added says that it is under way.
import "../working.js";
