// SPDX-License-Identifier: Apache-2.0
/**
 * A trace as the API gives it, made ready to draw: numbers for offsets, children, logs
 * under their spans, the phase each span belongs to, self time on the critical path.
 *
 * Offsets are nanoseconds from the start of the trace and stay exact as numbers (2^53 ns
 * are 104 days); absolute times stay strings.
 */

import { isEvent, level, lineOf } from "../core/logs.js";
import { ATTRIBUTE, SPAN } from "../core/names.js";
import { openPhase } from "./open.js";

const ERROR_SEVERITY = 17;

export function readTrace(answer) {
  const spans = answer.spans.map((raw) => readSpan(raw));
  const byId = new Map(spans.map((span) => [span.id, span]));
  const roots = [];
  for (const span of spans) {
    const parent = byId.get(span.parentId);
    span.parent = parent && parent !== span ? parent : null;
    (span.parent ? span.parent.children : roots).push(span);
  }
  const logs = (answer.logs ?? []).map(readLog);
  nameLogs(logs);
  const open = openPhase(spans, roots, logs);
  if (open) byId.set(open.id, open);
  const running = spans.some((span) => span.running);
  for (const span of spans) span.stands = wraps(span) ? span.parent : span;
  const loose = [];
  for (const log of logs) {
    log.span = byId.get(log.spanId) ?? null;
    log.span?.logs.push(log);
    // While a trace runs, the spans that log have not arrived themselves yet.
    log.under = log.span?.stands ?? (!running || roots.length > 1 ? null : open && log.offset >= open.start ? open : roots[0]);
    (log.under?.inside ?? loose).push(log);
  }
  for (const span of spans) inherit(span);
  for (const span of [...spans].reverse()) {
    span.below += span.inside.length;
    if (span.parent) span.parent.below += span.below + 1;
  }
  const trace = {
    id: answer.trace_id, correlationId: answer.correlation_id, cycle: answer.cycle ?? null,
    start: String(answer.start_unix_nano), spans, byId, roots, logs, loose,
    running, raw: answer,
    ended: answer.duration_ns === null ? null : Number(answer.duration_ns),
  };
  markCritical(spans);
  extend(trace);
  return trace;
}

function readSpan(raw) {
  const duration = raw.duration_ns === null || raw.duration_ns === undefined
    ? null : Number(raw.duration_ns);
  const running = Boolean(raw.running);
  return {
    raw, id: raw.span_id, parentId: raw.parent_span_id, name: raw.name,
    kind: raw.kind, service: raw.service, scope: raw.scope, depth: raw.depth ?? 0,
    start: Number(raw.offset_ns), duration, end: Number(raw.offset_ns) + (duration ?? 0),
    self: raw.self_ns === null || raw.self_ns === undefined ? null : Number(raw.self_ns),
    error: raw.status === "error", running, missing: Boolean(raw.missing),
    critical: Boolean(raw.critical), criticalParts: [],
    attributes: raw.attributes ?? {}, links: raw.links ?? [],
    events: (raw.events ?? []).map((event) => ({ ...event, offset: Number(event.offset_ns) })),
    parent: null, children: [], logs: [], inside: [], phase: null, errorsBelow: 0, failedBelow: false, below: 0,
  };
}

function readLog(raw) {
  return {
    raw, key: "", offset: Number(raw.offset_ns),
    unixNano: String(raw.unix_nano), severity: raw.severity || "INFO",
    level: level(raw.severity_number, raw.severity), logger: raw.logger ?? "",
    line: lineOf(raw), event: isEvent(raw), attributes: raw.attributes ?? {}, spanId: raw.span_id,
    eventName: raw.event_name, exception: raw.exception ?? null, span: null,
    error: (raw.severity_number ?? 0) >= ERROR_SEVERITY,
  };
}

/** Keys that stay the same when later answers bring more lines. */
function nameLogs(logs) {
  const seen = new Map();
  for (const log of logs) {
    const place = `${log.unixNano}:${log.spanId ?? ""}`;
    const twins = seen.get(place) ?? 0;
    seen.set(place, twins + 1);
    log.key = `log:${place}:${twins}`;
  }
}

/**
 * Whether a span only lies around its siblings without being their parent, as the engine's
 * own span of a cycle does. What was logged in it directly belongs between the siblings:
 * under the span it would all stand before the first of them, the last words of a cycle too.
 */
function wraps(span) {
  const { parent } = span;
  if (!parent || span.children.length || span.kind !== "internal" || span.scope === parent.scope) return false;
  return parent.children.some((other) => other !== span && span.start <= other.start && other.end <= span.end
    && (other.children.length || other.name.startsWith(SPAN.phase)));
}

function inherit(span) {
  const name = span.attributes[ATTRIBUTE.phase];
  const own = span.name.startsWith(SPAN.phase) ? span.name.slice(SPAN.phase.length) : name;
  span.phase = own ?? span.parent?.phase ?? null;
  const lines = span.inside.filter((log) => log.error).length;
  span.errorsBelow += lines;
  const failures = lines + (span.error ? 1 : 0);
  if (!failures) return;
  for (let above = span.parent; above; above = above.parent) {
    above.errorsBelow += failures;
    above.failedBelow ||= span.error;
  }
}

/** What of a critical span no critical child explains: the stretches worth shortening. */
function markCritical(spans) {
  for (const span of spans) {
    if (!span.critical) continue;
    let from = span.start;
    const parts = [];
    const below = span.children.filter((child) => child.critical && !child.missing)
      .sort((a, b) => a.start - b.start);
    for (const child of below) {
      if (child.start > from) parts.push([from, Math.min(child.start, span.end)]);
      from = Math.max(from, child.end);
    }
    if (span.end > from) parts.push([from, span.end]);
    span.criticalParts = parts;
  }
}

/** Lets what is still open reach the present; returns the trace. */
export function extend(trace, now = null) {
  let end = trace.ended ?? 0;
  for (const span of trace.spans) if (span.end > end && !span.running) end = span.end;
  for (const log of trace.logs) if (log.offset > end) end = log.offset;
  if (trace.running && now !== null) end = Math.max(end, now);
  for (const span of trace.spans) {
    if (span.running) span.end = Math.max(span.start, end);
  }
  trace.total = Math.max(end, 1);
  return trace;
}

/** Nanoseconds since the start of the trace by this machine's clock. */
export function sinceStart(trace) {
  return Number(BigInt(Date.now()) * 1000000n - BigInt(trace.start));
}
