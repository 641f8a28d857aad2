// SPDX-License-Identifier: Apache-2.0
/** What the toolbar and the keys do to a waterfall. */

import { preferences, toast } from "../core/dom.js";
import { buildRows, collapsedAt } from "./rows.js";

export function actions(view) {
  const jump = (keys, step, none) => {
    if (!keys.length) return toast(none);
    const at = keys.indexOf(view.selected);
    const next = at < 0 ? (step > 0 ? 0 : keys.length - 1) : (at + step + keys.length) % keys.length;
    return view.choose(keys[next]);
  };
  return {
    search: (query) => view.setQuery(query),
    hit: (step) => {
      const all = buildRows(view.trace, { ...view, collapsed: new Set(), logs: "place", errorsOnly: false });
      jump(all.map((row) => row.key).filter((key) => view.hits?.has(key)), step, "Nothing found");
    },
    error: (step) => jump(view.errors, step, "No errors in this trace"),
    level: (step) => {
      view.depth = Math.min(Math.max(view.depth + step, 0), view.deepest);
      view.collapsed = collapsedAt(view.trace, view.depth);
      if (view.depth >= view.deepest) view.collapsed.clear();
      view.rebuild();
    },
    expandAll: () => {
      view.depth = view.deepest;
      view.collapsed.clear();
      view.rebuild();
    },
    errorsOnly: () => {
      view.errorsOnly = !view.errorsOnly;
      view.on.state({ errors: view.errorsOnly });
      view.rebuild();
    },
    critical: () => {
      view.critical = !view.critical;
      preferences.set("critical", view.critical);
      view.draw();
    },
    logs: (mode) => view.setLogs(mode),
    events: () => {
      view.events = !view.events;
      view.on.state({ events: view.events });
      view.rebuild();
    },
    unzoom: () => {
      view.scale.reset(view.trace.total);
      view.draw();
    },
    save: () => view.on.save(),
  };
}
