// SPDX-License-Identifier: Apache-2.0
/** Values of a series as text, by unit. */

import { bytes, count, DASH, duration, usd } from "../core/format.js";

export function valueText(value, unit) {
  if (value === null || value === undefined) return DASH;
  if (unit === "s") return duration(value * 1e9);
  if (unit === "ms") return duration(value * 1e6);
  if (unit === "By") return bytes(value);
  if (unit === "$" || unit === "USD") return usd(value);
  if (unit === "%") return `${trim(value)}%`;
  if (unit === "/min") return `${trim(value)}/min`;
  return trim(value);
}

function trim(value) {
  return Math.abs(value) >= 1000 ? count(value) : String(Number(value.toPrecision(3)));
}

/** Short labels for an axis: no trailing zeros, no repeated unit. */
export function axisText(value, unit) {
  if (value === 0) return "0";
  return valueText(value, unit).replace(/(\.\d*?)0+(?=\D|$)/, "$1").replace(/\.(?=\D|$)/, "")
    .replace("/min", "");
}
