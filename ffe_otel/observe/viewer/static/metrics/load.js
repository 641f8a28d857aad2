// SPDX-License-Identifier: Apache-2.0
/** Asks the API for what a chart shows and names its lines. */

import { get } from "../core/api.js";
import { PHASES } from "../core/names.js";
import { stepOf } from "./board.js";

const MOST = 8;

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

function named({ labels, points }, query) {
  const scale = query.scale ?? 1;
  const own = query.by ? labels?.[query.by] : query.label;
  const label = own || query.label || Object.values(labels ?? {}).join(" ") || query.stat;
  return {
    label: `${query.prefix ?? ""}${label}`,
    points: points.map(([at, value]) => [at, value === null ? null : value * scale]),
  };
}

const rank = ({ label }) => PHASES.indexOf(label.toLowerCase());

function last({ points }) {
  for (let i = points.length - 1; i >= 0; i -= 1) if (points[i][1] !== null) return points[i][1];
  return -Infinity;
}

export { last as lastValue };
