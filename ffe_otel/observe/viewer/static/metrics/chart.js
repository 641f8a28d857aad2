// SPDX-License-Identifier: Apache-2.0
/** One chart on uPlot: lines, a legend that follows the cursor, a tooltip. */

import { PHASES, words } from "../core/names.js";
import { axisText } from "./units.js";

const HEIGHT = 168;
const AXIS = 62;
const SYNC = "ffe_otel";

let loading = null;

/** Loads uPlot once; it is a classic script, taken unchanged from its package. */
export function loadUplot() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("../vendor/uplot/uPlot.iife.min.js", import.meta.url);
    script.onload = () => resolve(globalThis.uPlot);
    script.onerror = () => reject(new Error("uPlot could not be loaded"));
    document.head.append(script);
  });
  return loading;
}

/** Merges series with different times into uPlot's columns; `null` where one has no value. */
function columns(series) {
  const times = [...new Set(series.flatMap((one) => one.points.map(([at]) => at)))].sort((a, b) => a - b);
  const place = new Map(times.map((at, index) => [at, index]));
  const values = series.map((one) => {
    const column = new Array(times.length).fill(null);
    for (const [at, value] of one.points) column[place.get(at)] = value;
    return column;
  });
  return [times.map((at) => at / 1000), ...values];
}

export function colourName(chart, label, index) {
  if (chart.colours === "phase") {
    const phase = label.toLowerCase();
    return PHASES.includes(phase) ? `--phase-${phase}` : "--phase-none";
  }
  if (chart.colours === "status" && /fail|error|timeout/i.test(label)) {
    return /timeout/i.test(label) ? "--warn" : "--error";
  }
  return `--series-${index % 8}`;
}

export class Chart {
  /** `host` holds a `.plot` and a `.chart-tip`; `moved(index|null)` follows the cursor. */
  constructor(uPlot, host, chart, moved) {
    this.uPlot = uPlot;
    this.host = host;
    this.chart = chart;
    this.moved = moved;
    this.plot = null;
    this.names = "";
    this.resizes = new ResizeObserver(() => this.#resize());
    this.resizes.observe(host);
  }

  /** Draws `series` (`{label, points}`) over `range` = [from, to] in unix seconds. */
  show(series, range) {
    this.series = series;
    this.range = range;
    this.data = columns(series);
    const names = series.map((one) => one.label).join("\n");
    if (!this.plot || names !== this.names) {
      this.names = names;
      this.rebuild();
    } else {
      this.plot.setData(this.data);
    }
  }

  /** Makes the plot anew, as a change of colours needs. */
  rebuild() {
    this.plot?.destroy();
    this.plot = null;
    if (!this.series?.length || !this.host.clientWidth) return;
    this.plot = new this.uPlot(this.#options(), this.data, this.host);
  }

  destroy() {
    this.resizes.disconnect();
    this.plot?.destroy();
  }

  #resize() {
    const width = this.host.clientWidth;
    if (!width) return;
    if (this.plot) this.plot.setSize({ width, height: HEIGHT });
    else this.rebuild();
  }

  #options() {
    const style = getComputedStyle(this.host);
    const colour = (name) => style.getPropertyValue(name).trim();
    const font = `11px ${style.fontFamily}`;
    const axis = {
      stroke: colour("--text-3"), font, grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false },
    };
    const { unit } = this.chart;
    return {
      width: this.host.clientWidth, height: HEIGHT, legend: { show: false }, padding: [8, 18, 0, 0],
      cursor: {
        sync: { key: SYNC, scales: ["x", null] }, drag: { x: false, y: false },
        points: { size: 6 }, y: false,
      },
      scales: { x: { time: true, range: () => this.range }, y: { range: spread } },
      axes: [
        { ...axis, space: 64, size: 24, gap: 4, values: [
          [86400, "{MMM} {D}", null, null, null, null, null, null, 1],
          [60, "{HH}:{mm}", null, null, null, null, null, null, 1],
          [1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 1],
        ] },
        // As wide in every chart, or times would not stand above each other.
        { ...axis, space: 34, gap: 4, size: AXIS,
          values: (u, splits) => splits.map((value) => axisText(value, unit)) },
      ],
      series: [{}, ...this.series.map((one, index) => {
        const stroke = colour(colourName(this.chart, one.label, index));
        return {
          label: words(one.label), stroke, width: 1.5, spanGaps: true, points: { show: this.data[0].length < 3 },
          fill: this.series.length === 1 ? `${stroke}22` : undefined,
        };
      })],
      hooks: { setCursor: [(u) => this.#cursor(u)] },
    };
  }

  #cursor(u) {
    const { idx, left, event } = { idx: u.cursor.idx, left: u.cursor.left, event: u.cursor.event };
    const seen = idx !== null && idx !== undefined && left >= 0;
    this.moved(seen ? { index: idx, left, own: Boolean(event), width: this.host.clientWidth } : null);
  }
}

/** A little air above, zero below unless values are negative or far from zero. */
function spread(u, low, high) {
  if (low === null || low === undefined) return [0, 1];
  if (high - low <= Math.abs(high) * 1e-9) return low === 0 ? [0, 1] : [Math.min(0, low * 1.2), Math.max(0, high * 1.2)];
  const near = low >= 0 && low < high * 0.6;
  const air = (high - low) * 0.1;
  return [near ? 0 : low - air, high + air];
}
