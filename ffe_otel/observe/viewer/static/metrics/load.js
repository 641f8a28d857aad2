// SPDX-License-Identifier: Apache-2.0
/** Asks the API for what a chart shows and names its lines. */

import { get } from "../core/api.js";
import { PHASES } from "../core/names.js";
import { stepOf } from "./board.js";

const MOST = 8;
const PROBES = 2;

/**
 * Series `[{label, points}]` of a chart over the last `seconds`, the biggest when many.
 * `known` holds the metrics that have arrived; asking for another would be an error.
 */
export async function loadChart(chart, seconds, known, signal) {
  const queries = chart.queries.filter((query) => known.has(query.name));
  const answers = await Promise.all(queries.map(async (query) => {
    const answer = await get("metrics/series", {
      name: query.name, range: seconds, step: stepOf(seconds), stat: query.stat, by: query.by,
    }, signal);
    return answer.series.map((series) => named(series, query)).filter((one) => one.points.length);
  }));
  const lines = answers.flat();
  if (chart.colours === "phase") lines.sort((a, b) => rank(a) - rank(b));
  return lines.length > MOST ? lines.sort((a, b) => last(b) - last(a)).slice(0, MOST) : lines;
}

/**
 * Seconds since the first of the charted metrics had its first value, at most `most`;
 * null when none has had one.
 */
export async function heldFor(charts, most, known, signal) {
  // Any of them tells how long there has been data; two, in case one is rare.
  const probes = charts.map(({ queries }) => queries[0]).filter(({ name }) => known.has(name)).slice(0, PROBES);
  const answers = await Promise.all(probes.map(({ name, stat }) => (
    get("metrics/series", { name, stat, range: most, step: stepOf(most) }, signal))));
  const first = Math.min(...answers.flatMap(({ series }) => series.map(begin)));
  return Number.isFinite(first) ? Math.max(0, Date.now() - first) / 1000 : null;
}

function named({ labels, points }, query) {
  const scale = query.scale ?? 1;
  const own = query.by ? labels?.[query.by] : query.label;
  const label = own || query.label || Object.values(labels ?? {}).join(" ") || query.stat;
  return {
    label: `${query.prefix ?? ""}${label}`,
    points: points.map(([at, value]) => [at, value === null ? null : value * scale]),
  };
}

const begin = ({ points }) => points.find(([, value]) => value !== null)?.[0] ?? Infinity;

const rank = ({ label }) => PHASES.indexOf(label.toLowerCase());

function last({ points }) {
  for (let i = points.length - 1; i >= 0; i -= 1) if (points[i][1] !== null) return points[i][1];
  return -Infinity;
}

export { last as lastValue };
