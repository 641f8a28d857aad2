// SPDX-License-Identifier: Apache-2.0
/** The bar of controls above a waterfall, and the lane of log ticks. */

import { group, tool } from "../core/controls.js";
import { css, html, nothing } from "../core/dom.js";
import { duration } from "../core/format.js";
import { icon } from "../core/icons.js";

const MODES = [["place", "In place"], ["lane", "Lane"], ["off", "Off"]];

export function toolsTemplate(state, act) {
  return html`<div class="tools" role="toolbar" aria-label="Waterfall">
    <label class="field search">
      ${icon("search")}
      <input type="search" id="trace-search" placeholder="Search name, attribute, log" autocomplete="off"
        spellcheck="false" aria-label="Search this trace" .value=${state.query}
        @input=${(event) => act.search(event.target.value)}
        @keydown=${(event) => searchKey(event, act)}>
      ${state.hits ? html`<span class="found">${state.hits.size ? `${state.at || "–"} / ${state.hits.size}` : "none"}</span>`
        : html`<kbd>/</kbd>`}
    </label>
    ${group("Levels", html`
      ${tool("−", "Collapse one level  [", () => act.level(-1), { label: "Collapse one level" })}
      <span class="tool-text">${state.depth >= state.deepest ? "All levels" : `Level ${state.depth}`}</span>
      ${tool("+", "Expand one level  ]", () => act.level(1), { label: "Expand one level" })}`)}
    ${tool("Expand all", "Expand everything  x", act.expandAll, { kind: "expand" })}
    ${group("Errors", errorTools(state, act))}
    ${tool(html`<i class="critical-swatch"></i>Critical path`, "Underline what the duration depends on  c",
      act.critical, { on: state.critical })}
    ${group("Logs", logTools(state, act))}
    <span class="spring"></span>
    ${state.zoomed ? tool("Reset zoom", "Show the whole trace  0", act.unzoom) : nothing}
    ${tool(html`${icon("download")}OTLP`, "Download this trace as OTLP JSON", act.save)}
  </div>`;
}

function errorTools(state, act) {
  const disabled = !state.errors;
  const lines = state.errors - state.failed;
  const title = [some(state.failed, "span"), some(lines, "log")].filter(Boolean).join(", ") || "No errors";
  const tip = "Failed spans and error logs\nShow only them and what leads there  e";
  return html`
    ${tool(html`${disabled ? nothing : html`<i class="error-dot"></i>`}${title}`, tip, act.errorsOnly,
      { on: state.errorsOnly, disabled })}
    ${tool(icon("next"), "Next error  n", () => act.error(1), { disabled, label: "Next error" })}
    ${tool(icon("previous"), "Previous error  N", () => act.error(-1), { disabled, label: "Previous error" })}`;
}

const some = (number, name) => (number ? `${number} ${name}${number > 1 ? "s" : ""}` : "");

function logTools(state, act) {
  return html`<span class="tool-text logs-label">Logs</span>
    ${MODES.map(([mode, name]) => tool(name, "Change with  l", () => act.logs(mode), { on: state.logs === mode }))}
    ${state.events === null ? nothing
      : tool("Events", "Also the event records, which repeat what spans say  v", act.events, { on: state.events })}`;
}

function searchKey(event, act) {
  if (event.key === "Enter") {
    act.hit(event.shiftKey ? -1 : 1);
    event.preventDefault();
  } else if (event.key === "Escape") {
    if (event.target.value) act.search("");
    event.target.blur();
    event.stopPropagation();
  }
}

/** Logs as ticks on one line, coloured by level. */
export function laneTemplate(logs, scale, selected, select) {
  return html`<div class="lane">
    <div class="lane-name">Logs <span class="badge">${logs.length}</span></div>
    <div class="time"><div class="track">
      ${logs.map((log) => {
        const left = scale.position(log.offset);
        if (left < 0 || left > 100) return nothing;
        return html`<button class="lane-tick level-${log.level} ${log.key === selected ? "selected" : ""}" tabindex="-1"
          ${css({ left: `${left}%` })} @click=${() => select({ kind: "log", key: log.key, log, span: log.span })}
          aria-label=${log.line} data-tip=${`${log.severity} +${duration(log.offset)}\n${log.line}`}></button>`;
      })}
    </div></div>
  </div>`;
}
