// SPDX-License-Identifier: Apache-2.0
/** Controls that several views share. */

import { html, nothing } from "./dom.js";

/** A small button; with `on` it is a switch that says whether it is pressed. */
export function tool(content, tip, action, { on, disabled = false, label, kind = "" } = {}) {
  return html`<button class="tool ${kind} ${on ? "on" : ""}" data-tip=${tip || nothing}
    aria-label=${label ?? nothing} aria-pressed=${on === undefined ? nothing : Boolean(on)}
    ?disabled=${disabled} @click=${action}>${content}</button>`;
}

/** Buttons that look like one. */
export function group(label, content) {
  return html`<span class="group" role="group" aria-label=${label}>${content}</span>`;
}
