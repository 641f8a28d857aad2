// SPDX-License-Identifier: Apache-2.0
/** The bar of controls above a waterfall, and the lane of log ticks. */

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
    <span class="group" role="group" aria-label="Levels">
      <button class="tool" data-tip="Collapse one level  [" aria-label="Collapse one level" @click=${() => act.level(-1)}>−</button>
      <span class="tool-text">${state.depth >= state.deepest ? "All levels" : `Level ${state.depth}`}</span>
      <button class="tool" data-tip="Expand one level  ]" aria-label="Expand one level" @click=${() => act.level(1)}>+</button>
    </span>
    <button class="tool expand" data-tip="Expand everything  x" @click=${() => act.expandAll()}>Expand all</button>
    <span class="group" role="group" aria-label="Errors">
      <button class="tool ${state.errorsOnly ? "on" : ""}" aria-pressed=${state.errorsOnly} ?disabled=${!state.errors}
        data-tip=${`${state.failed} spans and ${state.errors - state.failed} log lines; show only them and what leads there  e`} @click=${() => act.errorsOnly()}>
        ${state.errors ? html`<i class="error-dot"></i>` : nothing}${state.errors === 1 ? "1 error" : `${state.errors || "No"} errors`}</button>
      <button class="tool" ?disabled=${!state.errors} aria-label="Next error" data-tip="Next error  n" @click=${() => act.error(1)}>${icon("next")}</button>
      <button class="tool" ?disabled=${!state.errors} aria-label="Previous error" data-tip="Previous error  N" @click=${() => act.error(-1)}>${icon("previous")}</button>
    </span>
    <button class="tool ${state.critical ? "on" : ""}" aria-pressed=${state.critical}
      data-tip="Underline what the duration depends on  c" @click=${() => act.critical()}><i class="critical-swatch"></i>Critical path</button>
    <span class="group" role="group" aria-label="Logs">
      <span class="tool-text logs-label">Logs</span>
      ${MODES.map(([mode, name]) => html`<button class="tool ${state.logs === mode ? "on" : ""}"
        aria-pressed=${state.logs === mode} data-mode=${mode} data-tip="Change with  l" @click=${() => act.logs(mode)}>${name}</button>`)}
      ${state.events === null ? nothing : html`<button class="tool ${state.events ? "on" : ""}" aria-pressed=${state.events}
        data-tip="Also the event records, which repeat what spans say  v" @click=${() => act.events()}>Events</button>`}
    </span>
    <span class="spring"></span>
    ${state.zoomed ? html`<button class="tool" data-tip="Show the whole trace  0" @click=${() => act.unzoom()}>Reset zoom</button>` : nothing}
    <button class="tool" data-tip="Download this trace as OTLP JSON" @click=${() => act.save()}>${icon("download")}OTLP</button>
  </div>`;
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
