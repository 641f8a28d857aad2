// SPDX-License-Identifier: Apache-2.0
/** Attributes in groups by the first parts of their names, with search hits marked. */

import { html, nothing } from "../core/dom.js";
import { text } from "../core/format.js";

const LONG = 180;

export function attributesTemplate(attributes, query = "", hidden = new Set()) {
  const entries = Object.entries(attributes ?? {}).filter(([key]) => !hidden.has(key));
  if (!entries.length) return nothing;
  return groups(entries).map(([name, members]) => html`
    <dl class="attributes">
      ${name ? html`<div class="group-name">${name}</div>` : nothing}
      ${members.map(([key, value]) => html`<div class="pair">
        <dt data-tip=${key}>${marked(tail(key, name), query)}</dt>
        <dd class=${typeof value}>${valueTemplate(value, query)}</dd>
      </div>`)}
    </dl>`);
}

function groups(entries) {
  const found = new Map();
  for (const entry of entries) {
    const name = groupOf(entry[0]);
    if (!found.has(name)) found.set(name, []);
    found.get(name).push(entry);
  }
  const order = (name) => (name === "error" ? 0 : name.startsWith("ffe") ? 1 : name === "gen_ai" ? 2 : 3);
  return [...found].sort(([a], [b]) => order(a) - order(b) || a.localeCompare(b));
}

function groupOf(key) {
  const parts = key.split(".");
  if (parts.length === 1) return "";
  return parts[0] === "ffe" && parts.length > 2 ? parts.slice(0, 2).join(".") : parts[0];
}

const tail = (key, group) => (key.startsWith(`${group}.`) ? key.slice(group.length + 1) : key);

/** A value: long or structured text folds. */
function valueTemplate(value, query = "") {
  const shown = text(value);
  if (Array.isArray(value) && value.every((item) => typeof item !== "object")) {
    return marked(value.join(", "), query);
  }
  if (shown.length > LONG || shown.includes("\n")) {
    return html`<details ?open=${shown.length < 4 * LONG}>
      <summary>${shown.slice(0, 60).replace(/\s+/g, " ")}…</summary><pre>${marked(shown, query)}</pre></details>`;
  }
  return marked(shown, query);
}

/** Text with each occurrence of the query in a <mark>. */
export function marked(shown, query) {
  const needle = query.trim().toLowerCase();
  if (!needle) return shown;
  const lower = shown.toLowerCase();
  const parts = [];
  let from = 0;
  for (let at = lower.indexOf(needle); at >= 0; at = lower.indexOf(needle, from)) {
    parts.push(shown.slice(from, at), html`<mark>${shown.slice(at, at + needle.length)}</mark>`);
    from = at + needle.length;
  }
  return [...parts, shown.slice(from)];
}
