// SPDX-License-Identifier: Apache-2.0
/** What log lines and event records have in common in every view. */

import { text } from "./format.js";
import { words } from "./names.js";

/** One of debug, info, warn, error from OpenTelemetry's severity number or its text. */
export function level(number, name = "") {
  if (number) return number >= 17 ? "error" : number >= 13 ? "warn" : number >= 9 ? "info" : "debug";
  if (/err|crit|fatal/i.test(name)) return "error";
  if (/warn/i.test(name)) return "warn";
  return /debug|trace/i.test(name) ? "debug" : "info";
}

/** Records for a machine: they have an event name, and repeat what spans and lines say. */
export const isEvent = (raw) => Boolean(raw.event_name) && (raw.severity_number ?? 0) < 17;

/** The line a person reads; an event record without a body is told by its fields. */
export function lineOf(raw) {
  const body = raw.body === "null" ? "" : text(raw.body);
  if (body || !raw.event_name) return body;
  const fields = Object.entries(raw.attributes ?? {}).map(([key, value]) => `${key}=${text(value)}`);
  return [words(raw.event_name), ...fields].join(" ");
}
