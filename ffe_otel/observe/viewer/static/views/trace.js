// SPDX-License-Identifier: Apache-2.0
/** One trace: head, waterfall, side panel, kept current while the trace is running. */

import { get } from "../core/api.js";
import { readCycle } from "../core/cycle.js";
import { download, frame, html, nothing, ref, render } from "../core/dom.js";
import { live, throttle } from "../core/live.js";
import { listHref, patch } from "../core/router.js";
import { problemTemplate } from "./problem.js";
import { headerTemplate } from "./trace-header.js";
import { panelTemplate } from "../panel/panel.js";
import { toOtlp } from "../waterfall/export.js";
import { waterfallKey } from "../waterfall/keys.js";
import { extend, readTrace, sinceStart } from "../waterfall/model.js";
import { Waterfall } from "../waterfall/view.js";

const TICK = 250;
// A trace nobody ends would otherwise stretch its axis for ever.
const PATIENCE_NS = 600e9;

export class TraceView {
  #cost = 0;
  #row = null;
  #abort = new AbortController();

  constructor(host, route) {
    this.host = host;
    this.id = route.id;
    this.wanted = route.parameters;
    this.refresh = throttle(() => this.#load(), () => Math.max(500, 5 * this.#cost));
    this.draw = frame(() => this.#render());
    this.forget = [
      live.on("cycles", ({ trace_ids: ids = [] }) => {
        if (!this.trace || ids.includes(this.trace.id)) this.refresh();
      }),
      live.on("resync", () => this.refresh()),
    ];
    this.timer = setInterval(() => this.#tick(), TICK);
    this.#render();
    this.#load();
  }

  destroy() {
    clearInterval(this.timer);
    this.refresh.cancel();
    this.draw.cancel();
    this.#abort.abort();
    this.waterfall?.destroy();
    for (const forget of this.forget) forget();
  }

  /** The address changed while this trace stays open. */
  update(route) {
    this.wanted = route.parameters;
    this.#follow();
  }

  key(event) {
    if (!this.waterfall) return false;
    if (event.key === "Escape") return this.#escape();
    return waterfallKey(this.waterfall, event);
  }

  #escape() {
    if (this.#row) this.waterfall.select(null);
    else if (this.waterfall.query) this.waterfall.setQuery("");
    else location.hash = listHref();
    return true;
  }

  async #load() {
    const began = performance.now();
    try {
      const answer = await get(`traces/${encodeURIComponent(this.id)}`, {}, this.#abort.signal);
      this.trace = readTrace({ ...answer, cycle: answer.cycle ? readCycle(answer.cycle) : null });
      if (this.trace.running) extend(this.trace, this.#now());
      this.problem = null;
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!this.trace) this.problem = error;
    }
    this.#cost = performance.now() - began;
    this.#show();
  }

  #show() {
    if (!this.trace) return this.draw();
    document.title = `${this.trace.cycle ? `Cycle ${this.trace.cycle.number ?? ""}` : this.trace.id.slice(0, 8)} · ffe_otel`;
    this.#render();
    const first = !this.waterfall;
    this.waterfall ??= this.#create();
    this.waterfall.show(this.trace);
    if (first) {
      this.waterfall.focus();
      this.#follow();
    } else {
      this.#reselect();
    }
    return undefined;
  }

  #create() {
    const { logs, q, errors, events } = this.wanted;
    const save = () => download(`trace-${this.trace.id}.json`, JSON.stringify(toOtlp(this.trace.raw)));
    return new Waterfall(this.canvas, this.tools, { logs, query: q, errorsOnly: errors, events }, {
      select: (row) => this.#selected(row), state: patch, save,
    });
  }

  #follow() {
    if (!this.trace || !this.waterfall) return;
    const { span, log } = this.wanted;
    const line = log && this.trace.logs.find((item) => item.unixNano === log);
    const key = line ? line.key : span;
    if (key && key !== this.waterfall.selected) this.waterfall.choose(key);
  }

  /** A newer state of the trace has new objects for what is selected. */
  #reselect() {
    if (!this.#row) return;
    const { kind, key } = this.#row;
    const span = kind === "span" ? this.trace.byId.get(key) : null;
    const log = kind === "log" ? this.trace.logs.find((item) => item.unixNano === this.#row.log.unixNano) : null;
    if (span || log) this.#row = { kind, key, span: span ?? log.span, log };
    this.draw();
  }

  #selected(row) {
    this.#row = row;
    patch({ span: row?.kind === "span" ? row.key : null, log: row?.log?.unixNano ?? null });
    this.draw();
  }

  #now() {
    const last = this.trace.spans.reduce((most, span) => Math.max(most, span.start), 0);
    return Math.min(sinceStart(this.trace), Math.max(last, this.trace.total) + PATIENCE_NS);
  }

  #tick() {
    if (!this.trace?.running || live.paused || !this.waterfall) return;
    this.waterfall.advance(this.#now());
    this.draw();
  }

  #render() {
    if (this.problem) return render(problemTemplate(this.problem, this.id), this.host);
    const { trace } = this;
    return render(html`<div class="trace-view">
      ${trace ? headerTemplate(trace) : html`<div class="loading" role="status">Loading the trace</div>`}
      <div ${ref((element) => { this.tools = element; })}></div>
      <div class="trace-main ${this.#row ? "with-panel" : ""}">
        <section class="waterfall" aria-label="Waterfall" ${ref((element) => { this.canvas = element; })}></section>
        ${this.#row ? panelTemplate(this.#row, trace, {
          query: this.waterfall.query, close: () => this.waterfall.select(null),
          choose: (key) => this.waterfall.choose(key),
        }) : nothing}
      </div>
    </div>`, this.host);
  }
}
