// While a verification is under way, its part of the page is fetched again each second.
import { refresh } from "../live.js";

const POLL_MS = 1000;
let next = 0;

const follow = () => {
  clearTimeout(next);
  if (document.querySelector("#check[data-running]")) next = setTimeout(look, POLL_MS);
};

const look = async () => {
  await refresh().catch(() => null); // the next look tries again
  follow();
};

follow();
