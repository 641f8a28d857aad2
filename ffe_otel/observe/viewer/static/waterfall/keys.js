// SPDX-License-Identifier: Apache-2.0
/** Keys of the waterfall; `true` means the key was one of ours. */

const MODES = ["place", "lane", "off"];

export function waterfallKey(view, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const action = KEYS[event.key];
  if (!action) return false;
  action(view);
  return true;
}

const move = (step) => (view) => {
  const at = view.index.get(view.selected);
  const next = at === undefined ? (step > 0 ? 0 : view.rows.length - 1)
    : Math.min(Math.max(at + step, 0), view.rows.length - 1);
  if (view.rows[next]) view.select(view.rows[next], { scroll: true });
};

const selectedRow = (view) => view.rows[view.index.get(view.selected)];

function inward(view) {
  const row = selectedRow(view);
  if (row?.expandable && !row.open) view.toggle(row, true);
  else move(1)(view);
}

function outward(view) {
  const row = selectedRow(view);
  if (!row) return;
  if (row.open) view.toggle(row, false);
  else parent(view);
}

function parent(view) {
  const row = selectedRow(view);
  const above = row?.kind === "log" ? row.log.under : row?.span.parent;
  if (above) view.choose(above.id);
}

function enter(view) {
  const row = selectedRow(view);
  if (row) view.toggle(row);
}

function zoomTo(view) {
  const span = selectedRow(view)?.span;
  if (!span) return;
  const margin = (span.end - span.start) * 0.04;
  view.scale.zoom(span.start - margin, span.end + margin);
  view.draw();
}

const KEYS = {
  j: move(1), ArrowDown: move(1), k: move(-1), ArrowUp: move(-1),
  PageDown: move(20), PageUp: move(-20), Home: move(-Infinity), End: move(Infinity),
  g: move(-Infinity), G: move(Infinity),
  ArrowRight: inward, ArrowLeft: outward, Enter: enter, " ": enter, u: parent,
  n: (view) => view.act.error(1), N: (view) => view.act.error(-1),
  e: (view) => view.act.errorsOnly(), c: (view) => view.act.critical(),
  l: (view) => view.setLogs(MODES[(MODES.indexOf(view.logs) + 1) % MODES.length]),
  v: (view) => view.act.events(),
  "[": (view) => view.act.level(-1), "]": (view) => view.act.level(1),
  x: (view) => view.act.expandAll(), z: zoomTo, 0: (view) => view.act.unzoom(),
  "/": () => document.getElementById("trace-search")?.focus(),
};

/** What the help shows. */
export const WATERFALL_HELP = [
  [["j", "k"], "next, previous row (also arrows)"],
  [["→", "←"], "expand, collapse or go to the parent"],
  [["Enter"], "open or close the row"],
  [["n", "N"], "next, previous error"],
  [["e"], "only errors"],
  [["[", "]"], "collapse, expand one level"],
  [["x"], "expand everything"],
  [["c"], "critical path"],
  [["l"], "logs in place, in a lane, off"],
  [["v"], "event records too"],
  [["z", "0"], "zoom to the row, reset"],
  [["u"], "to the parent"],
  [["/"], "search; Enter for the next hit"],
];
