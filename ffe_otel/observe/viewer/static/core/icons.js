// SPDX-License-Identifier: Apache-2.0
/** Line icons on a 16 unit grid, drawn in the colour of the text. */

import { svg, html } from "./dom.js";

const PATHS = {
  cycle: svg`<path d="M13 8a5 5 0 1 1-1.6-3.7M13 2.5v2.6h-2.6"/>`,
  phase: svg`<rect x="2.5" y="5.5" width="11" height="5" rx="1.5"/>`,
  data: svg`<path d="M8 2.5v7M5 7l3 3 3-3M3 13.5h10"/>`,
  decision: svg`<path d="M8 2.5v4M8 6.5 4 10.5v3M8 6.5l4 4v3"/>`,
  llm: svg`<path d="M8 2.2 9.5 6.5 13.8 8 9.5 9.5 8 13.8 6.5 9.5 2.2 8l4.3-1.5z"/>`,
  risk: svg`<path d="M8 2 13 4v4c0 3-2 5-5 6-3-1-5-3-5-6V4z"/>`,
  trade: svg`<path d="M3 5.5h9.5M10 3l2.5 2.5L10 8M13 10.5H3.5M6 8l-2.5 2.5L6 13"/>`,
  http: svg`<circle cx="8" cy="8" r="5.5"/><path d="M2.5 8h11M8 2.5c2 2 2 9 0 11-2-2-2-9 0-11"/>`,
  span: svg`<circle cx="8" cy="8" r="2"/>`,
  link: svg`<path d="M6.5 9.5 10 6M7 4.5l1-1a2.5 2.5 0 0 1 4 4l-1 1M9 11.5l-1 1a2.5 2.5 0 0 1-4-4l1-1"/>`,
  copy: svg`<rect x="5.5" y="5.5" width="8" height="8" rx="1.5"/><path d="M10.5 3.5v-1h-8v8h1"/>`,
  close: svg`<path d="m4 4 8 8M12 4l-8 8"/>`,
  search: svg`<circle cx="7" cy="7" r="4"/><path d="m10 10 3.5 3.5"/>`,
  pause: svg`<path d="M5.5 3.5v9M10.5 3.5v9"/>`,
  play: svg`<path d="M5 3.5v9l7-4.5z"/>`,
  back: svg`<path d="M10 3 5 8l5 5"/>`,
  next: svg`<path d="m4 6 4 4 4-4"/>`,
  previous: svg`<path d="m4 10 4-4 4 4"/>`,
  download: svg`<path d="M8 2.5v7M5 7l3 3 3-3M3 13.5h10"/>`,
  keys: svg`<rect x="1.5" y="4" width="13" height="8" rx="1.5"/><path d="M4 6.7h.01M6.7 6.7h.01M9.3 6.7h.01M12 6.7h.01M5 9.3h6"/>`,
};

export function icon(name, label = "") {
  return html`<svg class="icon icon-${name}" viewBox="0 0 16 16" aria-hidden=${label ? "false" : "true"}
    aria-label=${label} role="img">${PATHS[name] ?? PATHS.span}</svg>`;
}
