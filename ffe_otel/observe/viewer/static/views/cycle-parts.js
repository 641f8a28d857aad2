// SPDX-License-Identifier: Apache-2.0
/** Pieces of a cycle that the list and the trace head share. */

import { css, html, nothing } from "../core/dom.js";
import { DASH, duration, percent } from "../core/format.js";
import { words } from "../core/names.js";

const ARROWS = { buy: "▲", long: "▲", sell: "▼", short: "▼" };

/** Action with its direction, and the confidence behind it. */
export function actionTemplate(cycle) {
  if (!cycle.action) return html`<span class="soft">${DASH}</span>`;
  const side = Object.keys(ARROWS).find((word) => cycle.action.toLowerCase().includes(word));
  return html`<span class="action ${side ? `side-${side}` : "side-none"}" data-tip=${words(cycle.action)}>
    <i aria-hidden="true">${ARROWS[side] ?? "■"}</i><b>${words(cycle.action)}</b>
    ${cycle.confidence === null || cycle.confidence === undefined ? nothing
      : html`<span class="confidence" data-tip="Confidence">${percent(cycle.confidence)}</span>`}</span>`;
}

export function outcomeTemplate(cycle) {
  const running = cycle.state === "running";
  const name = running ? "running" : cycle.outcome ?? "ended";
  return html`<span class="outcome outcome-${name}"><i></i>${words(name)}</span>
    ${says(cycle) ? html`<span class="reason" data-tip=${reasonTip(cycle)}>${cycle.reason}</span>` : nothing}`;
}

/** Whether the reason adds anything to the outcome. */
const says = ({ reason, outcome }) => reason && reason.toLowerCase() !== outcome;

function reasonTip(cycle) {
  return cycle.verdict ? `${cycle.reason}\nrisk: ${cycle.verdict}` : cycle.reason;
}

export function pnlClass(value) {
  if (!value) return "soft";
  return value > 0 ? "gain" : "loss";
}

/** Nanoseconds a cycle has lasted; a running one counts up to now. */
export function lasted(cycle) {
  if (cycle.duration_ns !== null && cycle.duration_ns !== undefined) return Number(cycle.duration_ns);
  return Math.max(0, Number(BigInt(Date.now()) * 1000000n - BigInt(cycle.start_unix_nano)));
}

/**
 * The phases of a cycle as one bar whose width is `longest` ns. `current` names the phase
 * the agent is in now: a phase still open has not arrived as a span.
 */
export function phaseBar(cycle, longest, current = null) {
  const total = lasted(cycle);
  const share = (ns) => `${Math.min((ns / longest) * 100, 100)}%`;
  const phases = cycle.phases.map((phase) => ({
    ...phase, offset: Number(phase.offset_ns),
    length: phase.duration_ns === null ? Math.max(total - Number(phase.offset_ns), 0) : Number(phase.duration_ns),
  }));
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
