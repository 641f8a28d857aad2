// SPDX-License-Identifier: Apache-2.0
/** The curated charts: which series each asks for and how its values read. */

import { METRIC as M } from "../core/names.js";

const PER_MINUTE = 60;

/**
 * A query is `{ name, stat, by, label, scale, dashed }`: `label` names its line when it
 * stands for one series, `scale` multiplies values (rates arrive per second).
 */
export const BOARD = [
  {
    id: "cycle", title: "Cycle duration", unit: "s",
    queries: [{ name: M.cycle, stat: "p50", label: "p50" }, { name: M.cycle, stat: "p95", label: "p95" }],
  },
  {
    id: "phase", title: "Phase duration, p50", unit: "s", colours: "phase",
    queries: [{ name: M.phase, stat: "p50", by: "state" }],
  },
  {
    id: "decision", title: "Decision latency by provider, p95", unit: "s",
    queries: [{ name: M.decision, stat: "p95", by: "provider" }],
  },
  {
    id: "api", title: "API latency by service, p95", unit: "s",
    queries: [{ name: M.api, stat: "p95", by: "service" }],
  },
  {
    id: "requests", title: "Provider requests by status", unit: "/min", colours: "status",
    queries: [{ name: M.requests, stat: "rate", by: "status", scale: PER_MINUTE }],
  },
  {
    id: "risk", title: "Risk verdicts by reason", unit: "/min",
    queries: [{ name: M.risk, stat: "rate", by: "reason", scale: PER_MINUTE }],
  },
  {
    id: "pnl", title: "P&L, cumulative", unit: "$",
    queries: [{ name: M.pnl, stat: "value", by: "asset_pair" }],
  },
  {
    id: "portfolio", title: "Portfolio value", unit: "$",
    queries: [{ name: M.portfolio, stat: "value", by: "platform" }],
  },
  {
    id: "closed", title: "Closed trades by outcome", unit: "/min",
    queries: [{ name: M.closed, stat: "rate", by: "outcome", scale: PER_MINUTE }],
  },
  {
    id: "tokens", title: "LLM tokens", unit: "/min",
    queries: [{ name: M.tokens, stat: "rate", by: "direction", scale: PER_MINUTE }],
  },
  {
    id: "cost", title: "LLM cost, cumulative", unit: "$",
    queries: [{ name: M.cost, stat: "value", by: "model" }],
  },
  {
    id: "breakers", title: "Circuit breakers (1 open, 2 half open)", unit: "",
    queries: [{ name: M.breaker, stat: "value", by: "service" }],
  },
  {
    id: "cpu", title: "Process CPU", unit: "%",
    queries: [{ name: M.cpu, stat: "rate", label: "CPU", scale: 100 }],
  },
  {
    id: "memory", title: "Process memory", unit: "By",
    queries: [{ name: M.memory, stat: "value", label: "resident" }],
  },
  {
    id: "telemetry", title: "Telemetry queued and dropped", unit: "",
    queries: [
      { name: M.queued, stat: "value", by: "signal", prefix: "queued " },
      { name: M.dropped, stat: "value", by: "reason", prefix: "dropped " },
    ],
  },
];

export const RANGES = [
  ["5m", "5 m", 300], ["15m", "15 m", 900], ["1h", "1 h", 3600], ["6h", "6 h", 21600],
  ["24h", "24 h", 86400], ["7d", "7 d", 604800],
];

/** Seconds between points: about 180 of them, never under 5 s. */
export const stepOf = (seconds) => Math.max(5, Math.round(seconds / 180));

const STATS = {
  histogram: ["p50", "p95", "p99", "avg", "rate"],
  counter: ["rate", "value"],
};

/** The statistics that make sense for a kind of instrument. */
export function statsOf(kind = "") {
  if (kind.includes("histogram")) return STATS.histogram;
  if (kind.includes("gauge") || kind.includes("up_down")) return ["value", "avg"];
  return STATS.counter;
}

/** A chart of one's own choice out of the catalogue. */
export function exploreChart(metric, stat, by) {
  const rate = stat === "rate";
  return {
    id: "explore", title: metric.prometheus ?? metric.name, note: metric.description,
    unit: rate ? "/min" : metric.unit,
    queries: [{ name: metric.name, stat, by, label: by ? undefined : stat, scale: rate ? PER_MINUTE : 1 }],
  };
}
