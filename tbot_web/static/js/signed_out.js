// In a frame: no one signs in here; the shell loads the whole window again, which leads to the login page.
if (parent !== self) parent.postMessage({ kind: "signed-out" }, location.origin);
