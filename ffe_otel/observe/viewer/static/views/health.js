// SPDX-License-Identifier: Apache-2.0
/** What the server says of itself: its parts, what it took in, what it had to leave out. */

import { html, nothing, render } from "../core/dom.js";
import { age, bytes, clock, count, day, numeric, text } from "../core/format.js";
import { words } from "../core/names.js";

// Anything but zero here means that telemetry is missing.
const LOSSES = /reject|drop|quarantin|lost|fail|skip/i;

/** Shows `status` (an answer of /api/v1/status) as a dialog; it stays as it was when opened. */
export function showHealth(status) {
  document.getElementById("health")?.close();
  const dialog = document.createElement("dialog");
  dialog.id = "health";
  dialog.setAttribute("aria-label", "Health");
  render(html`<div class="health">
    <h2>Parts</h2>
    <ul>${Object.entries(status.backends ?? {}).filter(([, part]) => part).map(partTemplate)}</ul>
    <h2>Received since the server started</h2>
    <dl>${Object.entries(status.ingest ?? {}).map(countTemplate)}</dl>
    <h2>Store</h2>
    <dl>${storeFacts(status.store ?? {})}</dl>
    <footer><span class="soft">ffe_otel ${status.version ?? ""}</span>
      <button class="button" autofocus @click=${() => dialog.close()}>Close</button></footer>
  </div>`, dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
}

function partTemplate([name, part]) {
  const { ok, detail, ...more } = part;
  return html`<li class=${ok ? "ok" : "bad"}><i></i><b>${words(name)}</b>
    <span>${text(detail) || (ok ? "works" : "not reachable")}</span>
    ${Object.keys(more).length ? html`<dl>${Object.entries(more).map(countTemplate)}</dl>` : nothing}</li>`;
}

/** Numbers as they come: what a newer server counts besides is shown, too. */
function countTemplate([name, value]) {
  if (value && typeof value === "object") {
    return Object.entries(value).map(([inner, one]) => countTemplate([`${name} ${inner}`, one]));
  }
  const number = numeric(value);
  const bad = number > 0 && LOSSES.test(name);
  const shown = number === null ? text(value) || "–" : /bytes/.test(name) ? bytes(number) : count(number);
  return fact(words(name), shown, bad ? "bad-text" : "");
}

function storeFacts({ path, bytes: size, oldest_unix_nano: oldest, ...rest }) {
  return html`${fact("size", bytes(numeric(size)))}${Object.entries(rest).map(countTemplate)}
    ${oldest ? fact("oldest", `${day(oldest)} ${clock(oldest, 0)}, ${age(Date.now() / 1000 - Number(oldest) / 1e9)} ago`) : nothing}
    ${path ? fact("file", html`<code>${path}</code>`) : nothing}`;
}

function fact(name, value, kind = "") {
  return html`<div><dt>${name}</dt><dd class=${kind}>${value}</dd></div>`;
}

/** What the counts say was not taken, in a few words; "" when nothing is missing. */
export function losses(counts) {
  return Object.entries(counts ?? {}).flatMap(([name, value]) => {
    if (value && typeof value === "object") return losses(value) || [];
    return LOSSES.test(name) && numeric(value) > 0 ? `${count(value)} ${words(name)}` : [];
  }).join(", ");
}

/** What could not be read from damaged store files, in a few words; "" when nothing is lost. */
export function unreadable(store) {
  return (store?.set_aside ?? []).flatMap(({ lost }) => Object.entries(lost ?? {}).map(([table, number]) =>
    `${numeric(number) === null ? "all" : count(numeric(number))} ${words(table)} lost to damage`)).join(", ");
}
