// SPDX-License-Identifier: Apache-2.0
/** First page: the agent's state and the list of its cycles, newest first. */

import { get } from "../core/api.js";
import { group, tool } from "../core/controls.js";
import { readCycle } from "../core/cycle.js";
import { css, debounce, frame, html, preferences, render } from "../core/dom.js";
import { icon } from "../core/icons.js";
import { live, throttle } from "../core/live.js";
import { OUTCOMES, PHASES, words } from "../core/names.js";
import { go, patch } from "../core/router.js";
import { lasted } from "./cycle-parts.js";
import { chunksTemplate } from "./cycle-chunks.js";
import { emptyTemplate } from "./empty.js";
import { problemTemplate } from "./problem.js";
import { StatusStrip } from "./status.js";

const PAGE = 50;
const COLUMNS = [
  ["time", "Started"], ["number", "#"], ["assets", "Assets"], ["bar", "Phases"], ["length", "Duration"],
  ["decision", "Decision"], ["result", "Outcome"], ["pnl", "P&L"], ["cost", "LLM cost"],
  ["tokens", "Tokens"], ["errors", "Err"],
];

export class CyclesView {
  rows = [];
  next = null;
  loading = true;
  problem = null;
  chosen = null;
  #abort = new AbortController();

  constructor(host, route) {
    this.host = host;
    this.filter = readFilter(route.parameters);
    this.full = preferences.get("fullBars", false);
    this.draw = frame(() => this.#render());
    this.status = new StatusStrip(this.draw);
    this.refresh = throttle(() => this.#load(), 700);
    this.typed = debounce((q) => this.#setFilter({ q }), 250);
    this.forget = [
      live.on("cycles", () => this.refresh()),
      live.on("resync", () => this.refresh()),
      live.on("state", this.draw),
    ];
    this.timer = setInterval(() => this.#tick(), 250);
    document.title = "Cycles · ffe_otel";
    this.#load();
    this.#render();
  }

  destroy() {
    clearInterval(this.timer);
    this.refresh.cancel();
    this.draw.cancel();
    this.status.destroy();
    this.#abort.abort();
    for (const forget of this.forget) forget();
  }

  update(route) {
    const filter = readFilter(route.parameters);
    if (JSON.stringify(filter) !== JSON.stringify(this.filter)) this.#setFilter(filter);
  }

  key(event) {
    const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
    if (step) this.#choose(step);
    else if (event.key === "Enter" && this.chosen) go("trace", this.chosen);
    else if (event.key === "e") this.#setFilter({ errors: !this.filter.errors });
    else if (event.key === "/") this.host.querySelector("#cycle-search")?.focus();
    else if (event.key === "w") this.#setFull(!this.full);
    else return false;
    return true;
  }

  #choose(step) {
    const at = this.rows.findIndex((row) => row.trace_id === this.chosen);
    const next = Math.min(Math.max(at + step, 0), this.rows.length - 1);
    this.chosen = this.rows[next]?.trace_id ?? null;
    this.#render();
    this.host.querySelector(".cycle.chosen")?.scrollIntoView({ block: "nearest" });
  }

  #setFilter(changes) {
    this.filter = { ...this.filter, ...changes };
    patch(this.filter);
    this.#abort.abort();
    this.#abort = new AbortController();
    this.rows = [];
    this.next = null;
    this.loading = true;
    this.draw();
    this.#load();
  }

  #setFull(full) {
    this.full = full;
    preferences.set("fullBars", full);
    this.draw();
  }

  async #load(before = null) {
    const { signal } = this.#abort;
    try {
      const { cycles, next } = await get("cycles", { limit: PAGE, before, ...this.filter }, signal);
      this.#merge({ cycles: cycles.map(readCycle), next }, before);
      this.problem = null;
    } catch (error) {
      if (error.name === "AbortError") return;
      this.problem = error;
    }
    this.loading = false;
    this.draw();
  }

  /** A page replaces what it covers; older pages already loaded stay. */
  #merge({ cycles, next }, before) {
    const fresh = new Set(cycles.map((row) => row.trace_id));
    const kept = this.rows.filter((row) => !fresh.has(row.trace_id));
    if (before) {
      this.rows = [...kept, ...cycles];
      this.next = next;
      return;
    }
    const oldest = cycles.at(-1)?.start_unix_nano;
    const older = oldest === undefined ? [] : kept.filter((row) => BigInt(row.start_unix_nano) < BigInt(oldest));
    this.rows = [...cycles, ...older];
    if (!older.length) this.next = next;
  }

  #more() {
    if (this.loading || !this.next) return;
    this.loading = true;
    this.#load(this.next);
    this.draw();
  }

  #tick() {
    if (!live.paused && this.rows.some((row) => row.state === "running")) this.draw();
  }

  #scrolled(event) {
    const { scrollTop, scrollHeight, clientHeight } = event.target;
    if (scrollTop + clientHeight > scrollHeight - 600) this.#more();
  }

  #render() {
    const fatal = this.problem && !this.rows.length;
    render(html`<div class="cycles-view">
      ${this.status.template(this.rows)}
      ${this.#filters()}
      ${fatal ? problemTemplate(this.problem) : this.#table()}
    </div>`, this.host);
  }

  #filters() {
    const { q, asset, outcome, errors } = this.filter;
    const assets = [...new Set([asset, ...this.rows.flatMap((row) => row.asset_pairs)])].filter(Boolean).sort();
    const option = (value, name, chosen) => html`<option value=${value} ?selected=${value === chosen}>${name}</option>`;
    return html`<div class="filters" role="search">
      <label class="field search">${icon("search")}<input type="search" id="cycle-search" placeholder="Search cycles"
        aria-label="Search cycles" autocomplete="off" spellcheck="false" .value=${q ?? ""}
        @input=${(event) => this.typed(event.target.value)}
        @keydown=${(event) => { if (event.key === "Escape") event.target.blur(); }}><kbd>/</kbd></label>
      <select aria-label="Asset" @change=${(event) => this.#setFilter({ asset: event.target.value })}>
        ${option("", "All assets", asset ?? "")}${assets.map((name) => option(name, name, asset))}</select>
      <select aria-label="Outcome" @change=${(event) => this.#setFilter({ outcome: event.target.value })}>
        ${option("", "All outcomes", outcome ?? "")}${OUTCOMES.map((name) => option(name, words(name), outcome))}</select>
      ${tool(html`<i class="error-dot"></i>Only errors`, "Only cycles with errors  e",
        () => this.#setFilter({ errors: !errors }), { on: errors })}
      <span class="spring"></span>
      <span class="legend" aria-label="Phases">${PHASES.map((name) => html`
        <span><i class="swatch phase-${name}"></i>${words(name)}</span>`)}</span>
      ${group("Width of the bars", html`
        ${tool("Relative", "Bars relative to the slowest in view  w", () => this.#setFull(false), { on: !this.full })}
        ${tool("Full", "Each bar at full width  w", () => this.#setFull(true), { on: this.full })}`)}
    </div>`;
  }

  #table() {
    if (!this.rows.length && !this.loading) return emptyTemplate(Object.values(this.filter).some(Boolean), () => this.#clear());
    return html`<div class="cycle-table" role="table" aria-label="Cycles" aria-busy=${this.loading} tabindex="-1"
        ${css({ "--digits": String(this.rows.reduce((most, { number }) => Math.max(most, number?.length ?? 0), 3)) })} @scroll=${(event) => this.#scrolled(event)}>
      <div class="cycle-head" role="row">${COLUMNS.map(([name, title]) => html`
        <span role="columnheader" class=${name}>${title}</span>`)}</div>
      ${chunksTemplate(this.rows, PAGE, {
        chosen: this.chosen, longest: this.full ? null : slowestOf(this.rows), phase: (row) => this.#phase(row),
      })}
      <div class="more">${this.#end()}</div>
    </div>`;
  }

  #end() {
    if (!this.next) return html`<span class="soft">${this.loading ? "Loading" : "The first cycle in the store"}</span>`;
    return html`<button class="button" ?disabled=${this.loading} @click=${() => this.#more()}>Older cycles</button>`;
  }

  /** The phase a running cycle is in, by what its agent last said. */
  #phase(row) {
    if (row.state !== "running") return null;
    const agent = this.status.status?.agent;
    const name = agent?.id === row.agent_id ? String(agent.state ?? "").toLowerCase() : null;
    return PHASES.includes(name) ? name : null;
  }

  #clear() {
    this.#setFilter({ q: "", asset: "", outcome: "", errors: false });
  }
}

function readFilter({ q = "", asset = "", outcome = "", errors = "" }) {
  return { q, asset, outcome, errors: Boolean(errors) };
}

/**
 * What fills the bars' column, ns. A running cycle that is the slowest would stretch every
 * other bar four times a second; it grows into the next round length instead.
 */
function slowestOf(rows) {
  const ended = rows.reduce((most, row) => (row.state === "running" ? most : Math.max(most, lasted(row))), 1);
  const running = rows.reduce((most, row) => (row.state === "running" ? Math.max(most, lasted(row)) : most), 0);
  if (running <= ended) return ended;
  const power = 10 ** Math.floor(Math.log10(running));
  return [1, 2, 5, 10].find((step) => step * power >= running) * power;
}
