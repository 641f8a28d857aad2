// SPDX-License-Identifier: Apache-2.0
/** Log lines of all traces as they arrive, newest first. */

import { get } from "../core/api.js";
import { group, tool } from "../core/controls.js";
import { css, debounce, frame, html, nothing, ref, render, safely } from "../core/dom.js";
import { age, clock, text, utc } from "../core/format.js";
import { icon } from "../core/icons.js";
import { live, throttle } from "../core/live.js";
import { isEvent, level, lineOf } from "../core/logs.js";
import { href, patch } from "../core/router.js";
import { attributesTemplate, marked } from "../panel/attributes.js";
import { exceptionTemplate, readException } from "../panel/exception.js";
import { fact } from "../panel/panel.js";
import { problemTemplate } from "./problem.js";

const PAGE = 200;
const MOST = 5000;
const HEIGHT = 24;
const LEVELS = [["", "All"], ["INFO", "Info"], ["WARN", "Warn"], ["ERROR", "Error"]];

export class LogsView {
  rows = [];
  next = null;
  held = [];
  open = null;
  loading = true;
  #abort = new AbortController();

  constructor(host, { parameters }) {
    this.host = host;
    this.filter = readFilter(parameters);
    this.draw = frame(() => this.#render());
    this.refresh = throttle(() => this.#load(), 1000);
    this.typed = debounce((q) => this.#setFilter({ q }), 250);
    this.forget = [live.on("cycles", () => this.refresh()), live.on("resync", () => this.refresh())];
    // Lines outside any trace change no trace, so nothing announces them.
    this.timer = setInterval(() => (live.holds ? undefined : this.refresh()), 3000);
    this.resizes = new ResizeObserver(() => this.draw());
    this.resizes.observe(host);
    document.title = "Logs · ffe_otel";
    this.#render();
    this.#load();
  }

  destroy() {
    clearInterval(this.timer);
    this.refresh.cancel();
    this.draw.cancel();
    this.resizes.disconnect();
    this.#abort.abort();
    for (const forget of this.forget) forget();
  }

  update({ parameters }) {
    const filter = readFilter(parameters);
    if (JSON.stringify(filter) !== JSON.stringify(this.filter)) this.#setFilter(filter);
  }

  key(event) {
    if (event.key === "/") this.host.querySelector("#log-search")?.focus();
    else if (event.key === "Escape" && this.open) this.#show(null);
    else if (event.key === "j" || event.key === "ArrowDown") this.#step(1);
    else if (event.key === "k" || event.key === "ArrowUp") this.#step(-1);
    else return false;
    return true;
  }

  #step(step) {
    const at = this.rows.indexOf(this.open);
    const next = Math.min(Math.max(at + step, 0), this.rows.length - 1);
    this.#show(this.rows[next] ?? null);
    const top = next * HEIGHT;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop || top + HEIGHT > scrollTop + clientHeight) this.scroller.scrollTop = top - clientHeight / 3;
  }

  #show(row) {
    this.open = row;
    this.draw();
  }

  #setFilter(changes) {
    this.filter = { ...this.filter, ...changes };
    patch(this.filter);
    this.#abort.abort();
    this.#abort = new AbortController();
    this.rows = [];
    this.held = [];
    this.next = null;
    this.loading = true;
    this.draw();
    this.#load();
  }

  async #load(before = null) {
    try {
      const { events, ...filter } = this.filter;
      const answer = await get("logs", { limit: PAGE, before, ...filter }, this.#abort.signal);
      if (!events) answer.logs = answer.logs.filter((log) => !isEvent(log));
      this.#merge(answer, before);
      this.problem = null;
    } catch (error) {
      if (error.name === "AbortError") return;
      this.problem = error;
    }
    this.loading = false;
    this.draw();
    // A page of event records may have left the list shorter than the window.
    if (this.rows.length * HEIGHT < (this.scroller?.clientHeight ?? 0)) this.#more();
  }

  #more() {
    if (!this.next || this.loading || this.rows.length >= MOST) return;
    this.loading = true;
    this.#load(this.next);
  }

  #merge({ logs, next }, before) {
    if (before || !this.rows.length) {
      this.rows = [...this.rows, ...without(logs, this.rows)];
      this.next = next;
      return;
    }
    const fresh = without(logs, [...this.held, ...this.rows]);
    this.held = [...fresh, ...this.held];
    // A reader who scrolled down keeps the place; new lines wait behind a button.
    if (!this.scroller?.scrollTop) this.#release();
  }

  #release() {
    this.rows = [...this.held, ...this.rows].slice(0, MOST);
    this.held = [];
    if (this.scroller) this.scroller.scrollTop = 0;
    this.draw();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    if (scrollTop + clientHeight > scrollHeight - 600) this.#more();
    this.draw();
  }

  #render() {
    render(html`<div class="logs-view">
      <div class="filters" role="search">
        <label class="field search">${icon("search")}<input type="search" id="log-search" placeholder="Search messages"
          aria-label="Search log messages" autocomplete="off" spellcheck="false" .value=${this.filter.q}
          @input=${(event) => this.typed(event.target.value)}
          @keydown=${(event) => { if (event.key === "Escape") event.target.blur(); }}><kbd>/</kbd></label>
        ${group("Lowest level", LEVELS.map(([value, name]) => tool(name, "",
          () => this.#setFilter({ level: value }), { on: this.filter.level === value })))}
        ${tool("Events", "Also the event records, which repeat what spans say",
          () => this.#setFilter({ events: !this.filter.events }), { on: this.filter.events })}
        ${this.filter.trace_id ? html`<button class="tool on" @click=${() => this.#setFilter({ trace_id: "" })}>
          one trace ${icon("close", "remove")}</button>` : nothing}
        <span class="spring"></span>
        <span class="soft">${this.rows.length} lines</span>
      </div>
      <div class="logs-main ${this.open ? "with-panel" : ""}">
        ${this.problem && !this.rows.length ? problemTemplate(this.problem) : this.#list()}
        ${this.open ? this.#panel(this.open) : nothing}
      </div></div>`, this.host);
  }

  #list() {
    const height = this.scroller?.clientHeight || 800;
    const first = Math.max(0, Math.floor((this.scroller?.scrollTop ?? 0) / HEIGHT) - 10);
    const shown = this.rows.slice(first, first + Math.ceil(height / HEIGHT) + 20);
    return html`<div class="log-frame">
      ${this.held.length ? html`<button class="held" @click=${() => this.#release()}>${this.held.length} new</button>` : nothing}
      <div class="log-scroll" tabindex="0" role="log" aria-live="off" aria-label="Log lines"
        ${ref((element) => { this.scroller = element; })} @scroll=${() => this.#scrolled()}>
        <div class="log-size" ${css({ height: `${this.rows.length * HEIGHT}px` })}>
          <div ${css({ transform: `translateY(${first * HEIGHT}px)` })}>${shown.map((log) => this.#line(log))}</div>
        </div>
        ${this.rows.length || this.loading ? nothing : html`<p class="nothing">No log line passes this filter.</p>`}
      </div></div>`;
  }

  #line(log) {
    return safely(() => this.#lineTemplate(log), () => html`<div class="log-row level-error">
      <span></span><span></span><span></span><span class="message">This line cannot be shown.</span></div>`);
  }

  #lineTemplate(log) {
    const when = clock(log.unix_nano, 3);
    const name = level(log.severity_number, log.severity);
    return html`<div class="log-row level-${name} ${log === this.open ? "selected" : ""}" @click=${() => this.#show(log)}>
      <span class="when" data-tip=${utc(log.unix_nano)}>${when.slice(0, 8)}<span class="soft">${when.slice(8)}</span></span>
      <span class="severity">${log.severity}</span>
      <span class="logger" data-tip=${log.logger}>${String(log.logger ?? "").split(".").at(-1)}</span>
      <span class="message">${marked(lineOf(log), this.filter.q)}</span>
      ${log.trace_id ? html`<a class="link" href=${traceOf(log)} aria-label="Open its trace"
        @click=${(event) => event.stopPropagation()}>${log.trace_id.slice(0, 8)}</a>` : html`<span></span>`}
    </div>`;
  }

  #panel(log) {
    return html`<aside class="panel" aria-label="Details">
      <div class="panel-head"><span class="severity-pill level-${level(log.severity_number, log.severity)}">${log.severity}</span>
        <h2>${log.event_name || "Log line"}</h2><span class="spring"></span>
        <button class="icon-button" aria-label="Close" @click=${() => this.#show(null)}>${icon("close")}</button></div>
      <div class="panel-body" tabindex="0">
        <p class="log-body level-${level(log.severity_number, log.severity)}">${lineOf(log)}</p>
        ${log.trace_id ? html`<p><a class="button" href=${traceOf(log)}>Open in its trace</a></p>` : nothing}
        <dl class="facts">
          ${fact("Clock", html`<span data-tip=${utc(log.unix_nano)}>${clock(log.unix_nano, 9)}</span>`)}
          ${fact("Age", age(Date.now() / 1000 - Number(BigInt(log.unix_nano) / 1000000n) / 1000))}
          ${fact("Logger", html`<code>${log.logger}</code>`, "broad")}
        </dl>
        ${exceptionTemplate(readException(log.exception))}
        ${attributesTemplate(log.attributes, this.filter.q)}
      </div></aside>`;
  }
}

const traceOf = (log) => href("trace", log.trace_id, { log: log.unix_nano });

const identity = (log) => `${log.unix_nano} ${log.span_id} ${log.logger} ${text(log.body)}`;

function without(logs, known) {
  const seen = new Set(known.map(identity));
  return logs.filter((log) => !seen.has(identity(log)));
}

function readFilter({ q = "", level: lowest = "", trace_id: traceId = "", events = "" }) {
  return { q, level: lowest, trace_id: traceId, events: Boolean(events) };
}
