// SPDX-License-Identifier: Apache-2.0
/**
 * A cycle's row as the page uses it. Attributes may hold anything whatever their name
 * promises, so every field is given its type here, once, where it comes in.
 */

import { numeric, text } from "./format.js";

export function readCycle(raw) {
  return {
    trace_id: text(raw.trace_id), agent_id: word(raw.agent_id), number: word(raw.number),
    asset_pairs: list(raw.asset_pairs).map(text), decision_ids: list(raw.decision_ids).map(text),
    start_unix_nano: nanoseconds(raw.start_unix_nano), duration_ns: numeric(raw.duration_ns),
    state: word(raw.state) ?? "ended", outcome: word(raw.outcome), reason: word(raw.reason),
    // Of a failed cycle: the status message of its root.
    message: word(raw.status_message),
    action: word(raw.action), confidence: numeric(raw.confidence), verdict: word(raw.verdict),
    pnl_dollars: numeric(raw.pnl_dollars), cost_usd: numeric(raw.cost_usd),
    tokens: numeric(raw.tokens) ?? 0, errors: Math.max(0, numeric(raw.errors) ?? 0),
    phases: list(raw.phases).filter((phase) => phase && typeof phase === "object").map(readPhase),
  };
}

function readPhase(raw) {
  return {
    name: text(raw.name).replace(/\s+/g, "_"), offset: numeric(raw.offset_ns) ?? 0,
    length: numeric(raw.duration_ns), errors: numeric(raw.errors) ?? 0,
  };
}

const list = (value) => (Array.isArray(value) ? value : value === null || value === undefined ? [] : [value]);

/** Text, or null where there is none. */
const word = (value) => text(value) || null;

/** Times are text because a number would round them; what is no time is the epoch. */
const nanoseconds = (value) => (/^-?\d{1,19}$/.test(String(value)) ? String(value) : "0");
