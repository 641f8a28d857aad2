// SPDX-License-Identifier: Apache-2.0
/**
 * The waterfall: a toolbar, a time axis with minimap, and a windowed list of rows.
 *
 * Only the rows in sight are in the document, so a trace of many thousand spans scrolls
 * as lightly as one of ten.
 */

import { css, frame, html, nothing, preferences, ref, render } from "../core/dom.js";
import { actions } from "./actions.js";
import { extend } from "./model.js";
import { drawMinimap, dragRange } from "./minimap.js";
import { ROW_HEIGHT, rowTemplate } from "./row.js";
import { buildRows, errorKeys, levels, reveal, search } from "./rows.js";
import { Scale } from "./scale.js";
import { laneTemplate, toolsTemplate } from "./tools.js";

const OVERSCAN = 8;
const NARROWEST = 220;
const LEAST_TIME = 300;

export class Waterfall {
  collapsed = new Set();
  rows = [];
  selected = null;
  hits = null;
  trace = null;

  /** Rows go into `host`, the toolbar into `tools`. `on.select(row|null)`, `on.state(changes)` for the address, `on.save()`. */
  constructor(host, tools, options, on) {
    this.host = host;
    this.tools = tools;
    this.on = on;
    this.query = options.query ?? "";
    this.logs = options.logs ?? "place";
    this.errorsOnly = Boolean(options.errorsOnly);
    this.events = Boolean(options.events);
    this.critical = preferences.get("critical", true);
    this.nameWidth = preferences.get("nameWidth", Math.min(460, Math.max(NARROWEST, innerWidth * 0.34)));
    this.scale = new Scale(1);
    this.draw = frame(() => this.#render());
    this.drawRows = frame(() => this.#renderRows());
    this.act = actions(this);
    this.resizes = new ResizeObserver(() => this.draw());
    this.resizes.observe(host);
  }

  /** Shows a trace, or a newer state of the one already shown. */
  show(trace) {
    const first = this.trace === null;
    this.trace = trace;
    if (first) this.scale.reset(trace.total);
    else this.scale.grow(trace.total);
    const all = first || this.depth >= this.deepest;
    this.deepest = levels(trace);
    if (all) this.depth = this.deepest;
    this.errors = errorKeys(trace);
    this.failed = this.errors.filter((key) => trace.byId.has(key)).length;
    this.hits = search(trace, this.query);
    this.rebuild();
  }

  focus() {
    this.scroller?.focus({ preventScroll: true });
  }

  /** Lets running spans reach `now` ns since the start of the trace. */
  advance(now) {
    extend(this.trace, now);
    this.scale.grow(this.trace.total);
    this.draw();
  }

  rebuild() {
    this.rows = buildRows(this.trace, this);
    this.index = new Map(this.rows.map((row, index) => [row.key, index]));
    this.draw();
  }

  select(row, { scroll = false } = {}) {
    this.selected = row?.key ?? null;
    if (row && scroll) this.scrollTo(this.index.get(row.key));
    this.draw();
    this.on.select(row);
  }

  /** Selects a span or log by key, opening what hides it. */
  choose(key) {
    const span = this.trace.byId.get(key);
    const log = span ? null : this.trace.logs.find((item) => item.key === key);
    if (!span && !log) return false;
    if (log && this.logs === "off") this.setLogs("place");
    if (log?.event) this.events = true;
    reveal(span ?? log.under, this.collapsed);
    if (log?.under) this.collapsed.delete(log.under.id);
    this.rebuild();
    if (!this.index.has(key) && this.errorsOnly && this.logs === "place") {
      this.errorsOnly = false;
      this.on.state({ errors: null });
      this.rebuild();
    }
    this.select({ kind: log ? "log" : "span", key, span: span ?? log.span, log }, { scroll: true });
    return true;
  }

  toggle(row, open = !row.open) {
    if (!row.expandable) return;
    if (open) this.collapsed.delete(row.span.id);
    else this.collapsed.add(row.span.id);
    this.rebuild();
  }

  setLogs(mode) {
    this.logs = mode;
    this.on.state({ logs: mode === "place" ? null : mode });
    this.rebuild();
  }

  setQuery(query) {
    this.query = query;
    this.hits = search(this.trace, query);
    this.on.state({ q: query });
    this.draw();
  }

  scrollTo(index) {
    if (index === undefined || !this.scroller) return;
    const top = index * ROW_HEIGHT;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop || top + ROW_HEIGHT > scrollTop + clientHeight) {
      this.scroller.scrollTop = Math.max(0, top - clientHeight / 3);
    }
  }

  destroy() {
    this.resizes.disconnect();
    this.draw.cancel();
    this.drawRows.cancel();
  }

  #render() {
    if (!this.trace) return;
    const { scale, trace } = this;
    const ticks = scale.ticks(Math.max(3, Math.round((this.host.clientWidth - this.#names()) / 120)));
    this.byService = !trace.cycle;
    render(toolsTemplate(this.#toolState(), this.act), this.tools);
    render(html`
      <div class="wf" ${css({ "--name-width": `${this.#names()}px` })}>
        <div class="wf-head">
          <div class="wf-head-name">${count(trace.spans, "span")}
            · ${count(trace.logs.filter((log) => !log.event), "log")}</div>
          <div class="time"><div class="track">
            <div class="map" data-tip="Drag to zoom, double click to see all"
              ${ref((element) => this.#axis(element, (share) => share * this.scale.total))}>
              <canvas class="minimap" aria-hidden="true"></canvas>
              ${scale.zoomed ? html`<i class="window" ${css(this.#window())}></i>` : nothing}
              <i class="drag" hidden></i>
            </div>
            <div class="ruler" ${ref((element) => this.#axis(element, (share) => this.scale.at(share)))}>
              <i class="drag" hidden></i>
              ${ticks.map((tick) => tickTemplate(tick, scale))}</div>
          </div></div>
          <i class="handle" role="separator" aria-label="Width of the name column" ${ref((element) => this.#handle(element))}></i>
        </div>
        ${this.logs === "lane" ? laneTemplate(this.#logs(), scale, this.selected, (row) => this.select(row)) : nothing}
        <div class="wf-body">
          <div class="wf-grid"><div class="time"><div class="track">
            ${ticks.map(({ at }) => html`<i ${css({ left: `${scale.position(at)}%` })}></i>`)}
          </div></div></div>
          <div class="wf-scroll" role="tree" tabindex="0" aria-label="Spans of the trace"
            aria-activedescendant=${this.index.has(this.selected) ? `row-${this.index.get(this.selected)}` : nothing}
            @scroll=${this.drawRows} ${ref((element) => { this.scroller = element; })}>
            <div class="wf-size" ${css({ height: `${this.rows.length * ROW_HEIGHT}px` })}
              ${ref((element) => { this.sheet = element; })}></div>
            ${this.rows.length ? nothing : html`<p class="nothing">Nothing here is an error.</p>`}
          </div>
        </div>
      </div>`, this.host);
    this.#renderRows();
    this.#renderMinimap();
    this.host.style.setProperty("--gutter", `${this.scroller.offsetWidth - this.scroller.clientWidth}px`);
  }

  #renderMinimap() {
    const canvas = this.host.querySelector(".minimap");
    const seen = [canvas.clientWidth, this.scale.total, matchMedia("(prefers-color-scheme: dark)").matches];
    if (this.mapped?.rows === this.rows && this.mapped.seen === seen.join()) return;
    this.mapped = { rows: this.rows, seen: seen.join() };
    drawMinimap(canvas, this.rows, this.trace, this);
  }

  #renderRows() {
    const { scrollTop: top, clientHeight: height } = this.scroller;
    const first = Math.max(0, Math.floor(top / ROW_HEIGHT) - OVERSCAN);
    const last = Math.min(this.rows.length, Math.ceil((top + height) / ROW_HEIGHT) + OVERSCAN);
    const shared = {
      scale: this.scale, selected: this.selected, hits: this.hits, critical: this.critical,
      byService: this.byService, select: (row) => this.select(row), toggle: (row) => this.toggle(row),
    };
    render(html`<div class="wf-rows" ${css({ transform: `translateY(${first * ROW_HEIGHT}px)` })}>
      ${this.rows.slice(first, last).map((row, i) => rowTemplate(row, first + i, shared))}</div>`, this.sheet);
  }

  #toolState() {
    const order = this.hits ? this.rows.filter((row) => this.hits.has(row.key)).map((row) => row.key) : [];
    return {
      query: this.query, hits: this.hits, at: order.indexOf(this.selected) + 1, logs: this.logs,
      events: this.trace.logs.some((log) => log.event) && this.logs !== "off" ? this.events : null,
      depth: this.depth, deepest: this.deepest, errors: this.errors.length, failed: this.failed,
      errorsOnly: this.errorsOnly, critical: this.critical, zoomed: this.scale.zoomed,
    };
  }

  #logs() {
    return this.trace.logs.filter((log) => this.events || !log.event);
  }

  /** Width of the name column, px: as chosen, where that leaves room for the bars. */
  #names() {
    const room = this.host.clientWidth || innerWidth;
    return Math.min(this.nameWidth, Math.max(room - LEAST_TIME, room * 0.55));
  }

  #window() {
    const { from, to, total } = this.scale;
    return { left: `${(from / total) * 100}%`, width: `${((to - from) / total) * 100}%` };
  }

  #axis(element, timeAt) {
    dragRange(element, element.querySelector(".drag"), (from, to) => {
      this.scale.zoom(timeAt(from), timeAt(to));
      this.draw();
    });
    element.addEventListener("dblclick", () => this.act.unzoom());
  }

  #handle(element) {
    element.addEventListener("pointerdown", (down) => {
      element.setPointerCapture(down.pointerId);
      const before = this.#names();
      element.onpointermove = (move) => {
        const widest = this.host.clientWidth - 300;
        this.nameWidth = Math.min(Math.max(before + move.clientX - down.clientX, NARROWEST), widest);
        this.draw();
      };
      element.onpointerup = () => {
        element.onpointermove = null;
        preferences.set("nameWidth", this.nameWidth);
      };
    });
  }
}

function tickTemplate({ at, label }, scale) {
  const left = scale.position(at);
  return html`<span ${css({ left: `${left}%` })}>${left < 96 ? label : ""}</span>`;
}

const count = (items, name) => `${items.length} ${name}${items.length === 1 ? "" : "s"}`;
