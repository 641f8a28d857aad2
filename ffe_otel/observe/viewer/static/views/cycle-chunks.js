// SPDX-License-Identifier: Apache-2.0
/**
 * The rows of the list in chunks. A chunk out of sight is neither laid out nor painted
 * (`content-visibility`), one in which nothing changed is not even compared, and yet all
 * rows are in the document: the browser's own search finds them.
 */

import { css, html, memo, repeat, safely } from "../core/dom.js";
import { day } from "../core/format.js";
import { lasted } from "./cycle-parts.js";
import { cycleRow } from "./cycle-row.js";

/** `shared`: chosen (trace id), longest (ns, null for bars at full width), phase(row). */
export function chunksTemplate(rows, size, shared) {
  return repeat(chunks(withDays(rows), size), (items) => items.at(-1).key, (items) => chunkTemplate(items, shared));
}

function chunkTemplate(items, shared) {
  const chosen = items.some(({ key }) => key === shared.chosen) ? shared.chosen : null;
  const phases = items.map(({ row }) => (row?.state === "running" ? shared.phase(row) : null));
  // Running rows are drawn anew each time: they grow.
  const moment = items.some(({ row }) => row?.state === "running") ? {} : null;
  return html`<div class="chunk" role="rowgroup" ${css({ "--rows": String(items.length) })}>${memo(
    [chosen, shared.longest, moment, items.length, ...items.map(({ row, key }) => row ?? key)],
    () => repeat(items, ({ key }) => key, ({ heading, row }, i) => (heading
      ? html`<div class="day" role="row"><span role="cell">${heading}</span></div>`
      : cycleRow(row, shared.longest ?? lasted(row), row.trace_id === chosen, phases[i]))),
  )}</div>`;
}

/** Cut from the oldest end: new rows on top and older pages below leave the others as they are. */
function chunks(items, size) {
  const cut = [];
  for (let end = items.length; end > 0; end -= size) cut.unshift(items.slice(Math.max(0, end - size), end));
  return cut;
}

/** Rows with a heading before the first one of each day but today's. */
function withDays(rows) {
  const items = [];
  let before = "Today";
  for (const row of rows) {
    const heading = safely(() => day(row.start_unix_nano), () => before);
    if (heading !== before) items.push({ key: `day ${heading} ${row.trace_id}`, heading });
    before = heading;
    items.push({ key: row.trace_id, row });
  }
  return items;
}
