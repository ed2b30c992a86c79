// The one poll of the status document. A person can pause it; a hidden tab does not poll.
import { learnServerTime } from "./time.js";

const EVERY_MS = 15_000;
const SOON_MS = 1_000;
const SOON_FOR_MS = 20_000;
const PAUSED = "tbot_updates_paused";

export const isPaused = () => sessionStorage.getItem(PAUSED) === "yes";

export function setPaused(paused) {
  if (paused) sessionStorage.setItem(PAUSED, "yes");
  else sessionStorage.removeItem(PAUSED);
  dispatchEvent(new Event("tbot:paused"));
}

// onChange() when the document changed; onAnswer(reached) after each try; onGone() when it does not exist any more.
export class StatusPoll {
  #etag = null;
  #state = null;
  #soonUntil = 0;
  #timer = 0;
  #everyMs;

  constructor({ onChange, onAnswer = () => {}, onGone = () => location.reload(), everyMs = EVERY_MS }) {
    this.onChange = onChange;
    this.onAnswer = onAnswer;
    this.onGone = onGone;
    this.#everyMs = everyMs;
  }

  start() {
    document.addEventListener("visibilitychange", () => document.hidden || this.now());
    addEventListener("tbot:paused", () => isPaused() || this.now());
    addEventListener("storage", (event) => event.key === PAUSED && !isPaused() && this.now());
    this.now();
  }

  // After a person's own act: each second, until the state moves.
  soon() {
    this.#soonUntil = Date.now() + SOON_FOR_MS;
    this.now();
  }

  async now() {
    clearTimeout(this.#timer);
    const hurried = Date.now() < this.#soonUntil;
    if (!document.hidden && (hurried || !isPaused())) await this.#ask();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.now(), Date.now() < this.#soonUntil ? SOON_MS : this.#everyMs);
  }

  async #ask() {
    const headers = { "X-Poll": "1" };
    if (this.#etag) headers["If-None-Match"] = this.#etag;
    let response;
    try {
      response = await fetch("/status/api", { headers, cache: "no-store" });
    } catch {
      this.onAnswer(false); // no portal at the other end; told on the page, tried again
      return;
    }
    learnServerTime(response);
    this.onAnswer(response.ok || response.status === 304);
    if (response.status === 401 || response.status === 404) this.onGone();
    if (!response.ok) return;
    this.#etag = response.headers.get("ETag");
    const seen = standing(await response.json());
    if (this.#state !== null && seen !== this.#state) this.#soonUntil = 0;
    this.#state = seen;
    this.onChange();
  }
}

const standing = (status) =>
  JSON.stringify(status.bots.map((bot) => [bot.state, bot.paused, bot.kill_switch_armed, bot.kill_switch_triggered]));
