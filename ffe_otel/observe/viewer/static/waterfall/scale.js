// SPDX-License-Identifier: Apache-2.0
/** The time axis of a waterfall: a window of the trace, positions in per cent, ticks. */

const STEPS = [1, 2, 5];

export class Scale {
  constructor(total) {
    this.reset(total);
  }

  reset(total) {
    this.total = total;
    this.from = 0;
    this.to = total;
  }

  /** The trace grew; a window that showed all of it keeps doing so. */
  grow(total) {
    const whole = !this.zoomed;
    this.total = total;
    if (whole) this.to = total;
  }

  get zoomed() {
    return this.from > 0 || this.to < this.total;
  }

  get span() {
    return this.to - this.from;
  }

  /** Shows `from`..`to` ns, clamped to the trace, never less than 100 ns. */
  zoom(from, to) {
    const width = Math.min(Math.max(to - from, 100), this.total);
    this.from = Math.min(Math.max(from, 0), this.total - width);
    this.to = this.from + width;
  }

  position(ns) {
    return ((ns - this.from) / this.span) * 100;
  }

  at(share) {
    return this.from + share * this.span;
  }

  /** Round offsets inside the window, about `wanted` of them, with their labels. */
  ticks(wanted = 6) {
    const rough = this.span / wanted;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = (STEPS.find((s) => s * power >= rough) ?? 10) * power;
    const ticks = [];
    for (let n = Math.ceil(this.from / step); n * step <= this.to; n += 1) ticks.push({ at: n * step, label: label(n * step, step) });
    return ticks;
  }
}

const UNITS = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]];

/** One unit and one number of decimals for a whole ruler. */
function label(at, step) {
  if (at === 0) return "0";
  const [size, unit] = UNITS.find(([one]) => step >= one / 10 && at >= one) ?? UNITS.at(-1);
  const decimals = Math.max(0, Math.ceil(-Math.log10(step / size) - 1e-9));
  return `${(at / size).toFixed(decimals)} ${unit}`;
}
