// SPDX-License-Identifier: Apache-2.0
/** Views and their state in the hash: #/trace/<id>?span=<id>. */

export function current() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/");
  return {
    view: view || "cycles",
    id: rest.length ? decodeURIComponent(rest.join("/")) : null,
    parameters: Object.fromEntries(new URLSearchParams(query)),
  };
}

/** Address of a view; empty parameters are left out. */
export function href(view, id = null, parameters = {}) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== "" && value !== false) {
      query.set(key, value === true ? "1" : value);
    }
  }
  const tail = query.size ? `?${query}` : "";
  return `#/${view}${id ? `/${encodeURIComponent(id)}` : ""}${tail}`;
}

export function go(view, id = null, parameters = {}) {
  location.hash = href(view, id, parameters);
}

let list = href("cycles");

/** Address of the list of cycles as it was last filtered. */
export const listHref = () => list;

export function rememberList() {
  if (current().view === "cycles") list = location.hash || list;
}

/** Changes parameters of the current view without a new entry in the history. */
export function patch(changes) {
  const { view, id, parameters } = current();
  const next = href(view, id, { ...parameters, ...changes });
  if (next !== location.hash) history.replaceState(null, "", next);
  rememberList();
}
