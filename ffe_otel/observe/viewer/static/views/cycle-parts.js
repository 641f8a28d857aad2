// SPDX-License-Identifier: Apache-2.0
/** Pieces of a cycle that the list and the trace head share. */

import { css, html, nothing } from "../core/dom.js";
import { DASH, duration, percent } from "../core/format.js";
import { words } from "../core/names.js";

const ARROWS = { buy: "▲", sell: "▼", none: "■" };
const SIZES = /\b(small|medium|large)\b/i;

/** Action with its direction, how large, the confidence behind it, and how many more there were. */
export function actionTemplate(cycle) {
  if (!cycle.action) return html`<span class="soft">${DASH}</span>`;
  const said = words(cycle.action);
  const side = sideOf(said);
  const size = SIZES.exec(said)?.[0].toLowerCase();
  const more = cycle.decision_ids.length - 1;
  return html`<span class="action side-${side}" data-tip=${said}>
    <i aria-hidden="true">${ARROWS[side]}</i><b>${said.replace(SIZES, "").replace(/\s+/g, " ").trim()}</b>
    ${size ? html`<span class="size">${size}</span>` : nothing}
    ${cycle.confidence === null ? nothing
      : html`<span class="confidence" data-tip="Confidence">${percent(cycle.confidence)}</span>`}
    ${more > 0 ? html`<span class="more-decisions" data-tip=${`${more} more decision${more > 1 ? "s" : ""} in this cycle`}
      >+${more}</span>` : nothing}</span>`;
}

/** Which way an order goes: closing or reducing a long position sells. */
function sideOf(action) {
  const closes = /\b(close|reduce|exit)\b/i.test(action);
  if (/\bbuy\b/i.test(action)) return "buy";
  if (/\bsell\b/i.test(action)) return "sell";
  if (/\blong\b/i.test(action)) return closes ? "sell" : "buy";
  if (/\bshort\b/i.test(action)) return closes ? "buy" : "sell";
  return "none";
}

export function outcomeTemplate(cycle) {
  const running = cycle.state === "running";
  const name = running ? "running" : cycle.outcome ?? "ended";
  const why = reasonOf(cycle);
  return html`<span class="outcome outcome-${name.replace(/\s+/g, "_")}"><i></i>${words(name)}</span>
    ${why ? html`<span class="reason ${cycle.message ? "told" : ""}" data-tip=${reasonTip(cycle)}>${why}</span>` : nothing}`;
}

/** What adds to the outcome: what went wrong in words, else the reason's code. */
function reasonOf({ message, reason, outcome }) {
  return message ?? (reason && reason.toLowerCase() !== outcome ? reason : null);
}

function reasonTip({ message, reason, verdict }) {
  return [message, reason, verdict && `risk: ${verdict}`].filter(Boolean).join("\n");
}

export function pnlClass(value) {
  if (!value) return "soft";
  return value > 0 ? "gain" : "loss";
}

/** Nanoseconds a cycle has lasted; a running one counts up to now. */
export function lasted(cycle) {
  if (cycle.duration_ns !== null) return Math.max(0, cycle.duration_ns);
  return Math.max(0, Number(BigInt(Date.now()) * 1000000n - BigInt(cycle.start_unix_nano)));
}

/**
 * The phases of a cycle as one bar whose width is `longest` ns. `current` names the phase
 * the agent is in now: a phase still open has not arrived as a span.
 */
export function phaseBar(cycle, longest, current = null) {
  const total = lasted(cycle);
  const share = (ns) => `${Math.min(Math.max(ns / longest, 0) * 100, 100)}%`;
  const phases = cycle.phases.map((phase) => ({ ...phase, length: phase.length ?? Math.max(total - phase.offset, 0) }));
  if (current) phases.push(openPhase(phases, current, total));
  return html`<div class="phases ${cycle.state === "running" ? "running" : ""}" data-tip=${tip(phases, total)}
      role="img" aria-label=${tip(phases, total).replaceAll("\n", ", ")}>
    <i class="whole" ${css({ width: share(total) })}></i>
    ${phases.map((phase) => html`<i class="part phase-${phase.name} ${phase.errors ? "failed" : ""}"
      ${css({ left: share(phase.offset), width: share(phase.length) })}></i>`)}
  </div>`;
}

function openPhase(phases, name, total) {
  const offset = phases.reduce((end, phase) => Math.max(end, phase.offset + phase.length), 0);
  return { name, offset, length: Math.max(total - offset, 0), errors: 0 };
}

function tip(phases, total) {
  const lines = phases.map((phase) => {
    const errors = phase.errors ? `  ${phase.errors} error${phase.errors > 1 ? "s" : ""}` : "";
    return `${words(phase.name)}  ${duration(phase.length)}${errors}`;
  });
  return [...lines, `in all  ${duration(total)}`].join("\n");
}
