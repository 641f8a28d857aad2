// SPDX-License-Identifier: Apache-2.0
/** A chart with its title, legend and tooltip; keeps itself current when told to. */

import { css, html, nothing, ref, render } from "../core/dom.js";
import { words } from "../core/names.js";
import { Chart, colourName } from "./chart.js";
import { lastValue, loadChart } from "./load.js";
import { valueText } from "./units.js";

export class Card {
  #series = [];
  #state = "loading";
  #cursor = null;

  constructor(host, chart, uPlot) {
    this.host = host;
    this.chart = chart;
    this.#render();
    this.plot = new Chart(uPlot, this.place, chart, (cursor) => {
      this.#cursor = cursor;
      this.#render();
    });
  }

  /** Shows the `seconds` up to `now` (unix seconds, the same for all cards of a page). */
  async load(seconds, now, known, signal) {
    try {
      this.#series = await loadChart(this.chart, seconds, known, signal);
      this.#state = this.#series.some((one) => one.points.some(([, value]) => value !== null)) ? "" : "empty";
    } catch (error) {
      if (error.name === "AbortError") return;
      this.#state = "failed";
      this.#series = [];
    }
    if (this.#state) this.#series = [];
    this.#cursor = null;
    this.#render();
    this.plot.show(this.#series, [now - seconds, now]);
  }

  restyle() {
    this.plot.rebuild();
    this.#render();
  }

  destroy() {
    this.plot.destroy();
  }

  #render() {
    const { title, note, id } = this.chart;
    render(html`<figure class="chart ${this.#state}" data-chart=${id}>
      <figcaption><h2>${title}</h2>${note ? html`<p class="soft">${note}</p>` : nothing}
        <ul class="chart-legend">${this.#series.map((one, index) => this.#entry(one, index))}</ul></figcaption>
      <div class="plot" ${ref((element) => { this.place = element; })}></div>
      ${this.#state === "empty" ? html`<p class="chart-note">No data in this range</p>` : nothing}
      ${this.#state === "failed" ? html`<p class="chart-note">Could not be loaded</p>` : nothing}
      ${this.#cursor?.own ? this.#tooltip() : nothing}
    </figure>`, this.host);
  }

  #value(one, index) {
    const at = this.#cursor?.index;
    const value = at === undefined ? lastValue(one) : this.plot.data?.[index + 1]?.[at];
    return valueText(value === -Infinity ? null : value, this.chart.unit);
  }

  #entry(one, index) {
    return html`<li><i class="swatch" ${css({ background: `var(${colourName(this.chart, one.label, index)})` })}></i>
      <span>${readable(one.label)}</span><b>${this.#value(one, index)}</b></li>`;
  }

  #tooltip() {
    const { index, left, width } = this.#cursor;
    const at = this.plot.data?.[0]?.[index];
    if (at === undefined) return nothing;
    const side = left > width / 2 ? { right: `${width - left + 14}px`, left: "auto" } : { left: `${left + 62}px`, right: "auto" };
    return html`<div class="chart-tip" ${css(side)}><p>${new Date(at * 1000).toLocaleString()}</p>
      <ul>${this.#series.map((one, i) => this.#entry(one, i))}</ul></div>`;
  }
}

/** States and reasons shout in capitals on the wire. */
function readable(label) {
  return /^[A-Z_]{7,}$/.test(label) && !/USD/.test(label) ? words(label.toLowerCase()) : words(label);
}
