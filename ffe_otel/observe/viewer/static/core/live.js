// SPDX-License-Identifier: Apache-2.0
/**
 * Server-sent events with pause and a reconnect of our own.
 *
 * EventSource gives up for good on an HTTP error; a server that restarts answers with one
 * for a moment, so every failure closes the source and tries again with growing delays.
 */

import { setConnection, url } from "./api.js";

const FIRST_DELAY = 1000;
const LAST_DELAY = 10000;

class Live {
  state = "connecting";
  paused = false;
  retryAt = 0;
  #handlers = new Map();
  #source = null;
  #timer = 0;
  #delay = FIRST_DELAY;
  #missed = false;

  /** Calls `handler(data)` for each event of that name: cycles, metrics, resync, state. */
  on(name, handler) {
    if (!this.#handlers.has(name)) this.#handlers.set(name, new Set());
    this.#handlers.get(name).add(handler);
    return () => this.#handlers.get(name).delete(handler);
  }

  connect() {
    clearTimeout(this.#timer);
    this.#source?.close();
    const source = new EventSource(url("live"));
    this.#source = source;
    source.onopen = () => {
      const again = this.state === "lost";
      this.#delay = FIRST_DELAY;
      setConnection("ok");
      this.#become("live");
      if (again) this.#deliver("resync", {});
    };
    source.onerror = () => this.#retry();
    for (const name of ["cycles", "metrics"]) {
      source.addEventListener(name, (event) => this.#deliver(name, parse(event.data)));
    }
  }

  pause(paused = !this.paused) {
    this.paused = paused;
    this.#emit("state", this.state);
    if (!paused && this.#missed) this.#deliver("resync", {});
    this.#missed = false;
  }

  #retry() {
    this.#source.close();
    this.retryAt = Date.now() + this.#delay;
    this.#timer = setTimeout(() => this.connect(), this.#delay);
    this.#delay = Math.min(this.#delay * 2, LAST_DELAY);
    this.#become("lost");
  }

  #become(state) {
    this.state = state;
    this.#emit("state", state);
  }

  #deliver(name, data) {
    if (this.paused) this.#missed = true;
    else this.#emit(name, data);
  }

  #emit(name, data) {
    for (const handler of [...(this.#handlers.get(name) ?? [])]) handler(data);
  }
}

function parse(data) {
  try {
    return JSON.parse(data);
  } catch {
    return {};
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
