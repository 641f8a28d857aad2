// SPDX-License-Identifier: Apache-2.0
/** What the server announces, with pause; a tab out of sight catches up when it is seen again. */

import { setConnection } from "./api.js";
import { Stream } from "./stream.js";

class Live {
  paused = false;
  #handlers = new Map();
  #missed = false;
  #stream = new Stream({
    event: (name, data) => this.#deliver(name, data),
    state: (state) => {
      if (state === "live") setConnection("ok");
      this.#emit("state", state);
    },
  });

  get state() {
    return this.#stream.state;
  }

  /** Calls `handler(data)` for each event of that name: cycles, metrics, resync, state. */
  on(name, handler) {
    if (!this.#handlers.has(name)) this.#handlers.set(name, new Set());
    this.#handlers.get(name).add(handler);
    return () => this.#handlers.get(name).delete(handler);
  }

  start() {
    this.#stream.start();
    document.addEventListener("visibilitychange", () => this.#catchUp());
  }

  retry() {
    this.#stream.retry();
  }

  pause(paused = !this.paused) {
    this.paused = paused;
    this.#emit("state", this.state);
    this.#catchUp();
  }

  /** Paused, or nobody looks: nothing is asked for meanwhile. */
  get holds() {
    return this.paused || document.hidden;
  }

  #catchUp() {
    if (this.holds || !this.#missed) return;
    this.#missed = false;
    this.#emit("resync", {});
  }

  #deliver(name, data) {
    if (this.holds) this.#missed = true;
    else this.#emit(name, data);
  }

  #emit(name, data) {
    for (const handler of [...(this.#handlers.get(name) ?? [])]) handler(data);
  }
}

export const live = new Live();

/** Runs `work` at once, then at most every `wait` ms however often it is asked to. */
export function throttle(work, wait) {
  let timer = 0;
  let due = 0;
  const run = () => {
    timer = 0;
    due = Date.now() + (typeof wait === "function" ? wait() : wait);
    work();
  };
  const ask = () => {
    if (!timer) timer = setTimeout(run, Math.max(0, due - Date.now()));
  };
  ask.cancel = () => {
    clearTimeout(timer);
    timer = 0;
  };
  return ask;
}
