// SPDX-License-Identifier: Apache-2.0
/** The list of keys, as a dialog. */

import { html, render } from "./dom.js";
import { WATERFALL_HELP } from "../waterfall/keys.js";

const GENERAL = [
  [["1", "2", "3"], "cycles, metrics, logs"],
  [["p"], "pause or resume live updates"],
  [["/"], "search"],
  [["?"], "this help"],
  [["Esc"], "close, clear, back"],
];
const LIST = [
  [["j", "k"], "next, previous cycle (also arrows)"],
  [["Enter"], "open the cycle"],
  [["e"], "only errors"],
  [["w"], "bars relative or at full width"],
];

export function toggleHelp() {
  const open = document.getElementById("help");
  if (open) return open.close();
  const dialog = document.createElement("dialog");
  dialog.id = "help";
  dialog.setAttribute("aria-label", "Keys");
  render(html`<div class="help">
    <div>${table("Everywhere", GENERAL)}${table("Cycles", LIST)}</div>
    <div>${table("Trace", WATERFALL_HELP)}</div>
    <button class="button" autofocus @click=${() => dialog.close()}>Close</button>
  </div>`, dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  return dialog.showModal();
}

function table(title, rows) {
  return html`<h2>${title}</h2><dl>${rows.map(([keys, what]) => html`<div>
    <dt>${keys.map((key) => html`<kbd>${key}</kbd>`)}</dt><dd>${what}</dd></div>`)}</dl>`;
}
