// SPDX-License-Identifier: Apache-2.0
/** Numbers, times and money as text. Absolute times are decimal strings of nanoseconds. */

export const DASH = "–";
const MINUS = "\u2212";
const pad = (n, width = 2) => String(n).padStart(width, "0");

/** A finite number, also out of text; null for anything else an attribute may hold. */
export function numeric(value) {
  if (typeof value !== "number" && (typeof value !== "string" || !value.trim())) return null;
  return Number.isFinite(Number(value)) ? Number(value) : null;
}

function significant(value) {
  return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

/** Nanoseconds (number) to three significant digits with the fitting unit. */
export function duration(ns) {
  if (ns === null || ns === undefined || Number.isNaN(ns)) return DASH;
  if (ns === 0) return "0";
  if (ns < 0) return `${MINUS}${duration(-ns)}`;
  if (ns < 1e3) return `${Math.round(ns)} ns`;
  if (ns < 999.5e3) return `${significant(ns / 1e3)} µs`;
  if (ns < 999.5e6) return `${significant(ns / 1e6)} ms`;
  if (ns < 59.95e9) return `${significant(ns / 1e9)} s`;
  const seconds = Math.round(ns / 1e9);
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${pad(seconds % 60)}s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)}h ${pad(minutes % 60)}m`;
}

/** Nanoseconds with every digit: "8.423 117 204 s". */
export function exact(ns) {
  if (ns === null || ns === undefined) return DASH;
  const whole = BigInt(Math.round(ns));
  const fraction = String(whole % 1000000000n).padStart(9, "0");
  return `${whole / 1000000000n}.${fraction.match(/.{3}/g).join("\u2009")} s`;
}

function parts(unixNano) {
  const ns = BigInt(unixNano);
  return [new Date(Number(ns / 1000000n)), String(ns % 1000000000n).padStart(9, "0")];
}

/** Wall clock in the reader's zone with `digits` (0 to 9) of the fraction kept. */
export function clock(unixNano, digits = 3) {
  if (!unixNano) return DASH;
  const [date, fraction] = parts(unixNano);
  const text = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  return digits ? `${text}.${fraction.slice(0, digits)}` : text;
}

/** ISO 8601 in UTC, all nine digits of the fraction. */
export function utc(unixNano) {
  const [date, fraction] = parts(unixNano);
  return `${date.toISOString().slice(0, 19)}.${fraction}Z`;
}

/** Heading of the day a time falls on: Today, Yesterday, or the date. */
export function day(unixNano, now = new Date()) {
  const [date] = parts(unixNano);
  const midnight = (d) => new Date(d.getFullYear(), d.getMonth(), d.getDate()).getTime();
  const days = Math.round((midnight(now) - midnight(date)) / 86400e3);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return date.toLocaleDateString(undefined, {
    weekday: "short", day: "numeric", month: "short", year: "numeric",
  });
}

/** Age in seconds: "4 s", "12 min", "3 h", "5 d". */
export function age(seconds) {
  if (seconds === null || seconds === undefined) return DASH;
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

/** Signed dollars of a profit or loss. */
export function pnl(value) {
  value = numeric(value);
  if (value === null) return DASH;
  const size = Math.abs(value).toLocaleString("en-US", {
    minimumFractionDigits: 2, maximumFractionDigits: 2,
  });
  if (Number(size.replaceAll(",", "")) === 0) return "$0.00";
  return `${value < 0 ? MINUS : "+"}$${size}`;
}

/** Dollars of a cost or balance; small ones keep four digits. */
export function usd(value) {
  value = numeric(value);
  if (value === null) return DASH;
  if (value === 0) return "$0";
  const small = Math.abs(value) < 1;
  return (value < 0 ? MINUS : "") + "$" + Math.abs(value).toLocaleString("en-US", {
    minimumFractionDigits: small ? 4 : 2, maximumFractionDigits: small ? 4 : 2,
  });
}

/** Counts: 812, 3.4k, 1.2M. */
export function count(value) {
  value = numeric(value);
  if (value === null) return DASH;
  const size = Math.abs(value);
  if (size < 1000) return String(Math.round(value * 100) / 100);
  if (size < 999.5e3) return `${significant(value / 1e3)}k`;
  if (size < 999.5e6) return `${significant(value / 1e6)}M`;
  return `${significant(value / 1e9)}G`;
}

/** Bytes in powers of 1024. */
export function bytes(value) {
  if (value === null || value === undefined) return DASH;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let power = 0;
  let size = value;
  while (Math.abs(size) >= 1024 && power < units.length - 1) {
    size /= 1024;
    power += 1;
  }
  return `${power ? significant(size) : size} ${units[power]}`;
}

/** Confidence 0 to 100 as a percentage. */
export function percent(value) {
  const number = numeric(value);
  return number === null ? DASH : `${Math.round(number)}%`;
}

/** Anything an attribute may hold, as text. */
export function text(value) {
  if (typeof value === "string") return value;
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value, null, 2) : String(value);
}
