// SPDX-License-Identifier: Apache-2.0
/** Which rows a waterfall shows: spans depth first, logs among them in order of time. */

import { text } from "../core/format.js";

/**
 * Flat rows for the given options: `collapsed` (Set of span ids), `logs` ("place", "lane",
 * "off"), `events` (show event records too), `errorsOnly`. A row is `{ kind: "span"|"log", key, depth, span, log, open }`.
 */
export function buildRows(trace, options) {
  const rows = [];
  const stack = [...merged(trace.roots, shownLogs(trace.loose, options), 0)].reverse();
  while (stack.length) {
    const row = stack.pop();
    if (row.kind === "log") {
      if (!options.errorsOnly || row.log.error) rows.push(row);
      continue;
    }
    const { span } = row;
    if (options.errorsOnly && !span.error && !span.errorsBelow) continue;
    const logs = shownLogs(span.inside, options);
    const inner = span.children.length + logs.length;
    row.expandable = inner > 0;
    row.open = inner > 0 && !options.collapsed.has(span.id);
    rows.push(row);
    if (row.open) {
      const below = merged(span.children, logs, row.depth + 1);
      for (let i = below.length - 1; i >= 0; i -= 1) stack.push(below[i]);
    }
  }
  return rows;
}

function shownLogs(logs, options) {
  if (options.logs !== "place") return [];
  return options.events ? logs : logs.filter((log) => !log.event);
}

function merged(spans, logs, depth) {
  const spanRows = spans.map((span) => ({ kind: "span", key: span.id, depth, span, log: null }));
  if (!logs.length) return spanRows;
  const logRows = logs.map((log) => ({ kind: "log", key: log.key, depth, span: log.span, log }));
  return [...spanRows, ...logRows].sort((a, b) => at(a) - at(b) || rank(a) - rank(b));
}

const at = (row) => (row.kind === "log" ? row.log.offset : row.span.start);

// A log written in the very nanosecond a child began introduces it.
const rank = (row) => (row.kind === "log" ? 0 : 1);

/** Ids to collapse so that spans deeper than `depth` are hidden. */
export function collapsedAt(trace, depth) {
  return new Set(trace.spans.filter((span) => span.depth >= depth).map((span) => span.id));
}

/** Deepest level that has something below it. */
export function levels(trace) {
  return trace.spans.reduce((most, span) => Math.max(most, span.depth), 0);
}

/** Opens every ancestor of a span, so that its row exists. */
export function reveal(span, collapsed) {
  for (let above = span?.parent; above; above = above.parent) collapsed.delete(above.id);
}

/** Errors of the trace in order of the rows: spans with status error and error logs. */
export function errorKeys(trace) {
  const open = { collapsed: new Set(), logs: "place", errorsOnly: true };
  return buildRows(trace, open)
    .filter((row) => (row.kind === "log" ? row.log.error : row.span.error))
    .map((row) => row.key);
}

/** Keys of spans and logs whose name, attributes or text contain `query`. */
export function search(trace, query) {
  const needle = query.trim().toLowerCase();
  if (!needle) return null;
  const found = new Set();
  for (const span of trace.spans) if (has(haystack(span), needle)) found.add(span.id);
  for (const log of trace.logs) if (has(logText(log), needle)) found.add(log.key);
  return found;
}

const has = (haystackText, needle) => haystackText.includes(needle);

function haystack(span) {
  span.haystack ??= [
    span.name, span.id, span.service, span.raw.status_message, pairs(span.attributes),
    ...span.events.map((event) => `${event.name} ${pairs(event.attributes ?? {})}`),
  ].join("\n").toLowerCase();
  return span.haystack;
}

function logText(log) {
  log.haystack ??= [log.severity, log.logger, log.line, pairs(log.attributes)]
    .join("\n").toLowerCase();
  return log.haystack;
}

function pairs(attributes) {
  return Object.entries(attributes).map(([key, value]) => `${key}=${text(value)}`).join("\n");
}
