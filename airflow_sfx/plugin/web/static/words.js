// The words and units of values: the same as those of the command line, in warehouse/words.py.

export const WHOLE = "(whole table)";

export const NONE = "-";

// The kinds of changes, as they are named in the log.
export const OPERATIONS = [
  "publish",
  "rollback",
  "adopt",
  "foreign_change",
  "retire",
  "erase",
  "discard",
  "drop",
  "consume",
  "compact",
];

const OTHER_WORDS = { retire: "expire" };
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
const DIGITS = 6;
const LEAST = 1e-4; // smaller numbers have an exponent
const SPANS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];
const NUMBERS = new Intl.NumberFormat("en");

export const text = (value) => (value === null || value === undefined ? NONE : String(value));

export function number(value) {
  if (value === null || value === undefined) return NONE;
  const rounded = Number.isInteger(value) ? value : Number(value.toPrecision(DIGITS));
  if (Number.isInteger(rounded)) return NUMBERS.format(rounded + 0 || 0);
  if (Math.abs(rounded) >= LEAST) return String(rounded);
  const [digits, exponent] = rounded.toExponential().split("e");
  return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

export const counted = (count, noun) =>
  `${number(count)} ${noun}${count === 1 ? "" : noun.endsWith("ch") ? "es" : "s"}`;

export function size(bytes) {
  if (bytes === null || bytes === undefined) return NONE;
  let unit = 0;
  while (bytes >= 1024 && unit < UNITS.length - 1) [bytes, unit] = [bytes / 1024, unit + 1];
  return `${bytes.toFixed(unit ? 1 : 0)} ${UNITS[unit]}`;
}

// A time in UTC, given as ISO 8601 in UTC.
export const time = (at) => (at ? `${at.slice(0, 10)} ${at.slice(11, 19)}` : NONE);

// A span of time in its largest whole unit.
export function duration(seconds) {
  for (const [unit, length] of SPANS) {
    if (seconds >= length) return counted(Math.floor(seconds / length), unit);
  }
  return counted(Math.floor(seconds), "second");
}

export function age(at, now = Date.now()) {
  if (!at) return NONE;
  const seconds = Math.max(0, (now - new Date(at)) / 1000);
  return seconds < 60 ? "just now" : `${duration(seconds)} ago`;
}

// The reason of a change, with the batches that it ended.
export const why = (reason, retired, discarded) =>
  [
    reason,
    retired.length ? `expires ${retired.join(", ")}` : "",
    discarded.length ? `discards ${discarded.join(", ")}` : "",
  ]
    .filter(Boolean)
    .join("; ");

export const operation = (name) => OTHER_WORDS[name] ?? name.replaceAll("_", " ");
