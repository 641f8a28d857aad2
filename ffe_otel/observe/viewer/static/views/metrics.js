// SPDX-License-Identifier: Apache-2.0
/** Metrics over time: the curated board, and any other metric by choice. */

import { get } from "../core/api.js";
import { group, tool } from "../core/controls.js";
import { html, nothing, ref, render } from "../core/dom.js";
import { live, throttle } from "../core/live.js";
import { patch } from "../core/router.js";
import { BOARD, exploreChart, RANGES, statsOf } from "../metrics/board.js";
import { heldFor } from "../metrics/load.js";
import { Card } from "../metrics/card.js";
import { loadUplot } from "../metrics/chart.js";

// What is shown without a choice: as much as there is, up to an hour.
const WIDEST_FIT = "1h";
const dark = matchMedia("(prefers-color-scheme: dark)");

export class MetricsView {
  catalogue = [];
  cards = new Map();
  #abort = new AbortController();
  #explored = "";
  #fitting = RANGES[0][0];

  constructor(host, { parameters }) {
    this.host = host;
    this.choice = readChoice(parameters);
    this.refresh = throttle(() => this.#load(), () => Math.max(5000, this.seconds * 5));
    this.forget = [live.on("metrics", () => this.refresh()), live.on("resync", () => this.refresh())];
    this.restyle = () => this.cards.forEach((card) => card.restyle());
    dark.addEventListener("change", this.restyle);
    document.title = "Metrics · ffe_otel";
    this.#render();
    this.#start();
  }

  get seconds() {
    return RANGES.find(([name]) => name === this.range)[2];
  }

  get range() {
    return RANGES.some(([name]) => name === this.choice.range) ? this.choice.range : this.#fitting;
  }

  destroy() {
    this.#abort.abort();
    this.refresh.cancel();
    dark.removeEventListener("change", this.restyle);
    this.cards.forEach((card) => card.destroy());
    for (const forget of this.forget) forget();
  }

  update({ parameters }) {
    this.#choose(readChoice(parameters));
  }

  key(event) {
    const at = RANGES.findIndex(([name]) => name === this.range);
    if (event.key === "[" && at > 0) this.#choose({ range: RANGES[at - 1][0] });
    else if (event.key === "]" && at < RANGES.length - 1) this.#choose({ range: RANGES[at + 1][0] });
    else return false;
    return true;
  }

  async #start() {
    this.uPlot = await loadUplot();
    if (this.#abort.signal.aborted) return;
    for (const chart of BOARD) {
      this.cards.set(chart.id, new Card(this.host.querySelector(`[data-card="${chart.id}"]`), chart, this.uPlot));
    }
    this.#load();
  }

  #choose(changes) {
    this.choice = { ...this.choice, ...changes };
    patch(this.choice);
    this.#render();
    this.#load();
  }

  async #load() {
    try {
      this.catalogue = (await get("metrics", {}, this.#abort.signal)).metrics;
      await this.#fit();
    } catch (error) {
      if (error.name === "AbortError") return;
    }
    this.#explore();
    this.#render();
    const now = Date.now() / 1000;
    for (const card of this.cards.values()) card.load(this.seconds, now, this.#known, this.#abort.signal);
  }

  get #known() {
    return new Set(this.catalogue.map(({ name }) => name));
  }

  /** The narrowest range that shows all there is: an agent started just now is no sliver at the edge. */
  async #fit() {
    if (this.choice.range) return;
    const fits = RANGES.slice(0, RANGES.findIndex(([name]) => name === WIDEST_FIT) + 1);
    const held = await heldFor(BOARD, fits.at(-1)[2], this.#known, this.#abort.signal);
    this.#fitting = (fits.find(([, , seconds]) => seconds >= (held ?? 0)) ?? fits.at(-1))[0];
  }

  get #metric() {
    return this.catalogue.find(({ name }) => name === this.choice.metric);
  }

  /** Makes, remakes or removes the chart of the chosen metric. */
  #explore() {
    const metric = this.#metric;
    const key = metric ? [metric.name, this.#stat(metric), this.choice.by].join() : "";
    if (key === this.#explored) return;
    this.#explored = key;
    this.cards.get("explore")?.destroy();
    this.cards.delete("explore");
    const place = document.createElement("div");
    this.explorePlace.replaceChildren(place);
    if (!metric) return;
    const card = new Card(place, exploreChart(metric, this.#stat(metric), this.choice.by), this.uPlot);
    this.cards.set("explore", card);
  }

  #stat(metric) {
    const stats = statsOf(metric.kind);
    return stats.includes(this.choice.stat) ? this.choice.stat : stats[0];
  }

  #render() {
    render(html`<div class="metrics-view">
      <div class="filters">
        ${group("Range", RANGES.map(([name, title]) => tool(title, "",
          () => this.#choose({ range: name }), { on: this.range === name })))}
        <span class="spring"></span>
        ${this.#picker()}
      </div>
      <div class="board">
        <div class="explore ${this.#metric ? "" : "none"}" ${ref((element) => { this.explorePlace = element; })}></div>
        ${BOARD.map((chart) => html`<div class="card" data-card=${chart.id}></div>`)}
      </div></div>`, this.host);
  }

  #picker() {
    const metric = this.#metric;
    const option = (value, name, chosen) => html`<option value=${value} ?selected=${value === (chosen ?? "")}>${name}</option>`;
    return html`<select class="metric-picker" aria-label="Any metric" ?disabled=${!this.catalogue.length}
        @change=${(event) => this.#choose({ metric: event.target.value, stat: "", by: "" })}>
        ${option("", "Any metric…", this.choice.metric)}
        ${this.catalogue.map((one) => option(one.name, one.prometheus ?? one.name, this.choice.metric))}</select>
      ${metric ? html`
        <select aria-label="Statistic" @change=${(event) => this.#choose({ stat: event.target.value })}>
          ${statsOf(metric.kind).map((stat) => option(stat, stat, this.#stat(metric)))}</select>
        <select aria-label="Split by" @change=${(event) => this.#choose({ by: event.target.value })}>
          ${option("", "not split", this.choice.by)}
          ${Object.keys(metric.labels ?? {}).map((label) => option(label, `by ${label}`, this.choice.by))}</select>
        ${tool("Close", "", () => this.#choose({ metric: "", stat: "", by: "" }))}` : nothing}`;
  }
}

function readChoice({ range = "", metric = "", stat = "", by = "" }) {
  return { range, metric, stat, by };
}
