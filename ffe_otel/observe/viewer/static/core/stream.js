// SPDX-License-Identifier: Apache-2.0
/**
 * The server's event stream, read once however many tabs are open.
 *
 * A browser has six connections to a host that speaks HTTP/1.1, for all its tabs: with a
 * stream in each, the seventh tab would wait for ever. So the tabs agree by a lock on one
 * that reads and passes everything on. The browser gives the lock to the next tab when that
 * one closes or crashes, and does not freeze a tab that holds it.
 *
 * EventSource gives up for good on an HTTP error; a server that restarts answers with one
 * for a moment, so every failure closes the source and tries again with growing delays.
 */

import { url } from "./api.js";

const FIRST_DELAY = 1000;
const LAST_DELAY = 10000;
const EVENTS = ["cycles", "metrics"];

export class Stream {
  state = "connecting";
  #source = null;
  #timer = 0;
  #delay = FIRST_DELAY;
  #channel = null;
  #leads = false;
  #release = null;
  #gap = false;

  /** `on.event(name, data)` for each event, "resync" after a gap; `on.state(state)`. */
  constructor(on) {
    this.on = on;
    // A page kept for the back button must not keep the stream.
    addEventListener("pagehide", () => this.#leave());
    addEventListener("pageshow", ({ persisted }) => { if (persisted) this.start(); });
  }

  /** Begins to read, or to listen to the tab that does. */
  start() {
    // Locks need a secure context: plain HTTP from elsewhere than loopback has none.
    if (!navigator.locks || !globalThis.BroadcastChannel) {
      this.#alone();
      return;
    }
    const name = `ffe_otel.live ${url("live").pathname}`;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => this.#heard(data);
    const quit = new AbortController();
    this.#release = () => quit.abort();
    navigator.locks.request(name, { signal: quit.signal }, () => {
      this.#leads = true;
      // Whatever was sent since the tab before closed has passed unread.
      this.#gap = this.state !== "connecting";
      this.#open();
      return new Promise((done) => { this.#release = done; });
    }).catch((error) => { if (error.name !== "AbortError") this.#alone(); });
    this.#channel.postMessage({ ask: "state" });
  }

  /** Does not wait for the next attempt. */
  retry() {
    if (this.#leads) this.#open();
    else this.#channel?.postMessage({ ask: "retry" });
  }

  #alone() {
    this.#leads = true;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#close() : this.#open()));
    if (!document.hidden) this.#open();
  }

  #leave() {
    this.#close();
    this.#leads = false;
    this.#channel?.close();
    this.#channel = null;
    this.#release?.();
  }

  #close() {
    clearTimeout(this.#timer);
    if (this.#source) this.#gap = true;
    this.#source?.close();
    this.#source = null;
  }

  #open() {
    this.#close();
    const source = new EventSource(url("live"));
    this.#source = source;
    source.onopen = () => {
      this.#delay = FIRST_DELAY;
      this.#become("live");
      if (this.#gap) this.#pass("resync", {});
      this.#gap = false;
    };
    source.onerror = () => this.#failed();
    for (const name of EVENTS) source.addEventListener(name, ({ data }) => this.#pass(name, parse(data)));
  }

  #failed() {
    this.#close();
    this.#timer = setTimeout(() => this.#open(), this.#delay);
    this.#delay = Math.min(this.#delay * 2, LAST_DELAY);
    this.#become("lost");
  }

  #pass(event, data) {
    this.#channel?.postMessage({ event, data });
    this.on.event(event, data);
  }

  #become(state) {
    this.state = state;
    this.#channel?.postMessage({ state });
    this.on.state(state);
  }

  #heard({ ask, state, event, data }) {
    if (this.#leads) {
      if (ask === "retry") this.#open();
      else if (ask) this.#channel.postMessage({ state: this.state });
    } else if (event) {
      this.on.event(event, data);
    } else if (state && state !== this.state) {
      this.state = state;
      this.on.state(state);
    }
  }
}

function parse(data) {
  try {
    return JSON.parse(data);
  } catch {
    return {};
  }
}
