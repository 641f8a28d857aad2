// SPDX-License-Identifier: Apache-2.0
/** One line of the list of cycles. */

import { html, nothing, safely } from "../core/dom.js";
import { clock, count, duration, pnl, usd, utc } from "../core/format.js";
import { go, href } from "../core/router.js";
import { actionTemplate, lasted, outcomeTemplate, phaseBar, pnlClass } from "./cycle-parts.js";

/** `longest` is the duration in ns that fills the bar's column; `current` the phase it is in. */
export function cycleRow(cycle, longest, chosen, current) {
  return safely(() => rowTemplate(cycle, longest, chosen, current), () => brokenTemplate(cycle));
}

function rowTemplate(cycle, longest, chosen, current) {
  const start = clock(cycle.start_unix_nano, 3);
  const running = cycle.state === "running";
  return html`<div class="cycle ${running ? "running" : ""} ${chosen ? "chosen" : ""}" role="row" data-trace=${cycle.trace_id}
      @click=${(event) => openTrace(event, cycle)}>
    <span role="cell" class="time"><a href=${href("trace", cycle.trace_id)} data-tip=${utc(cycle.start_unix_nano)}
      aria-label=${`Cycle ${cycle.number ?? ""} of ${start}`}>${start.slice(0, 8)}<span class="soft">${start.slice(8)}</span></a></span>
    <span role="cell" class="number" data-tip=${cycle.agent_id ?? nothing}>${cycle.number ?? ""}</span>
    <span role="cell" class="assets">${assets(cycle.asset_pairs)}</span>
    <span role="cell" class="bar">${phaseBar(cycle, longest, current)}</span>
    <span role="cell" class="length">${duration(lasted(cycle))}</span>
    <span role="cell" class="decision">${actionTemplate(cycle)}</span>
    <span role="cell" class="result">${outcomeTemplate(cycle)}</span>
    <span role="cell" class="pnl ${pnlClass(cycle.pnl_dollars)}">${pnl(cycle.pnl_dollars)}</span>
    <span role="cell" class="cost">${usd(cycle.cost_usd)}</span>
    <span role="cell" class="tokens">${count(cycle.tokens)}</span>
    <span role="cell" class="errors">${cycle.errors ? errorBadge(cycle.errors) : nothing}</span>
  </div>`;
}

/** Of a row that cannot be drawn there is still its trace. */
function brokenTemplate({ trace_id: id }) {
  return html`<div class="cycle broken" role="row" data-trace=${id} @click=${(event) => openTrace(event, { trace_id: id })}>
    <span role="cell" class="time"><a href=${href("trace", id)}>unreadable</a></span>
    <span role="cell" class="soft whole-row">This cycle cannot be shown in the list. <code>${id}</code></span></div>`;
}

function errorBadge(errors) {
  return html`<span class="badge bad" data-tip=${`${errors} error${errors > 1 ? "s" : ""}`}>${errors}</span>`;
}

/** The link covers the row, but not what has a tooltip of its own. */
function openTrace(event, cycle) {
  if (event.target.closest("a")) return;
  if (event.ctrlKey || event.metaKey) window.open(href("trace", cycle.trace_id), "_blank");
  else go("trace", cycle.trace_id);
}

function assets(pairs) {
  const shown = pairs.slice(0, 2);
  const rest = pairs.length - shown.length;
  return html`${shown.map((pair) => html`<span class="asset">${pair}</span>`)}
    ${rest > 0 ? html`<span class="soft" data-tip=${pairs.join("\n")}>+${rest}</span>` : nothing}`;
}
