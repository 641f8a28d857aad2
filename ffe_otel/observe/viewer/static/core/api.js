// SPDX-License-Identifier: Apache-2.0
/** The HTTP API, and what is known about the way to it. */

const listeners = new Set();

/** "ok", "lost" (nobody answers) or "unauthorised" (the token is missing or old). */
export const connection = { state: "ok" };

export function onConnection(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function setConnection(state) {
  if (connection.state === state) return;
  connection.state = state;
  for (const listener of [...listeners]) listener(state);
}

/** An answer other than 2xx, or none at all (`status` 0). */
class ApiError extends Error {
  constructor(status, message, hint = "") {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

export function url(path, parameters = {}) {
  const target = new URL(`api/v1/${path}`, document.baseURI);
  for (const [key, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== "" && value !== false) {
      target.searchParams.set(key, value === true ? "1" : value);
    }
  }
  return target;
}

/** GETs `path` below /api/v1 and returns its JSON; throws ApiError or an AbortError. */
export async function get(path, parameters = {}, signal = undefined) {
  let response;
  try {
    response = await fetch(url(path, parameters), { signal, headers: { Accept: "application/json" } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    setConnection("lost");
    throw new ApiError(0, "ffe-otel serve does not answer");
  }
  if (response.status === 401 || response.status === 403) {
    setConnection("unauthorised");
    throw new ApiError(response.status, "this address has no valid token");
  }
  setConnection("ok");
  if (!response.ok) {
    const body = await response.json().catch(() => ({}));
    throw new ApiError(response.status, body.error ?? `HTTP ${response.status}`, body.hint ?? "");
  }
  return response.json();
}
