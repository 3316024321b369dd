// The partitions of a table: a calendar of days with one cell each, a row of cells for partitions
// that are no days, or a list if there are few. Colours show a chosen metric, signs the state.

import {
  address,
  age,
  counted,
  h,
  link,
  moment,
  number,
  size,
  table as rows,
  WHOLE,
} from "../dom.js";
import { because, stalePill } from "./stale.js";

export const FEW = 24; // so many partitions are a list

const MAX_YEARS = 6;
const MIN_FOR_MEDIAN = 7;
const DAY = 86_400_000;
const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const SIGNS = {
  current: "",
  "rolled back": "↺",
  staged: "◇",
  "failed check": "!",
  "foreign change": "?",
};
const RATIOS = [0.5, 0.8, 1.25, 2];
const AGES = [-365, -30, -7, -1];
const HEADINGS = ["partition", "state", "batch", "#rows", "#size", "changed", "staged"];
const relative = ["under half", "fewer than usual", "usual", "more than usual", "over double"];

// What colours can show: the value of a partition, its text, and the names of the five shades. A
// value is compared with the usual one, unless the metric has bounds of its own.
export const METRICS = {
  rows: { of: (one) => one.rows, text: (value) => counted(value, "row"), shades: relative },
  size: { of: (one) => one.bytes, text: size, shades: relative },
  age: {
    of: (one) => (one.at === null ? null : -(Date.now() - new Date(one.at)) / DAY),
    bounds: AGES,
    shades: ["over a year", "under a year", "under a month", "under a week", "under a day"],
  },
};

// Partitions as cells, coloured by a metric. `usual` has the usual value of a metric, of all
// partitions; without it, that of the partitions shown.
export function calendar(name, partitions, metric, usual = {}) {
  const groups = new Map();
  for (const one of partitions) {
    const [kind, time] = day(one.partition);
    if (!groups.has(kind)) groups.set(kind, []);
    groups.get(kind).push({ one, time, cell: cell(name, one) });
  }
  const ordered = [...groups].sort(([a], [b]) => !a - !b); // days first
  const parts = ordered.map(([kind, members]) => part(kind, members, groups.size > 1));
  const drawing = h("div", { class: "partitions" }, parts);
  drawing.cells = [...groups.values()].flat().map(({ one, cell: element }) => [element, one]);
  coloured(drawing, metric, usual);
  return drawing;
}

// Colours and labels the cells by a metric.
export function coloured(drawing, metric, usual = {}) {
  const { of, bounds, text } = METRICS[metric];
  const typical = usual[metric] ?? median(drawing.cells.map(([, one]) => of(one)));
  for (const [element, one] of drawing.cells) {
    const value = of(one);
    const known = value !== null && (bounds || typical);
    const shade = known ? rank(bounds ? value : value / typical, bounds ?? RATIOS) : "unknown";
    const label = [one.partition, one.state, counted(one.rows, "row")];
    if (one.stale) label.splice(2, 0, `stale: ${because(one.stale)}`);
    if (text && metric !== "rows") label.push(`${metric} ${text(value)}`);
    label.push(`changed ${age(one.at)}`);
    if (known && !bounds) {
      label.push(`${Math.round((value / typical) * 100)} % of the usual ${metric}`);
    }
    const stale = one.stale ? " stale" : "";
    element.className = `cell ${one.state.replaceAll(" ", "-")}${stale} shade-${shade}`;
    element.setAttribute("aria-label", label.join(", "));
    element.title = label.join("\n");
  }
}

// Partitions as a list. `states` has the cells of the list with the state, by partition.
export function list(name, partitions) {
  const states = new Map();
  const body = partitions.map((one) => [
    link(one.partition || WHOLE, "partition", name, one.partition),
    state(states, one),
    one.batch_id ? link(one.batch_id, "batch", name, one.partition, one.batch_id) : "no batch",
    number(one.rows),
    size(one.bytes),
    moment(one.at),
    one.staged ? link(one.staged, "batch", name, one.partition, one.staged) : "",
  ]);
  return Object.assign(rows("partitions", HEADINGS, body), { states });
}

function state(states, one) {
  const pill = h("span", { class: `state ${one.state.replaceAll(" ", "-")}` }, one.state);
  const cell = h("span", { class: "states" }, pill);
  states.set(one.partition, cell);
  return cell;
}

// Marks the stale batches in a calendar or a list.
export function marked(drawing, partitions, stale, recolour) {
  const found = new Map(stale.map((one) => [one.partition, one]));
  for (const one of partitions) {
    const item = found.get(one.partition);
    if (item?.batch_id !== one.batch_id) continue;
    one.stale = item;
    drawing.states?.get(one.partition).append(stalePill(item));
  }
  if (!drawing.states) recolour();
}

// The legend of colours and signs, with the choice of what colours show.
export function legend(metric, choose) {
  const shades = h("span", { class: "shades" });
  const paint = (chosen) =>
    shades.replaceChildren(
      ...METRICS[chosen].shades.map((text, index) => entry(`current shade-${index}`, "", text)),
    );
  const choice = (one) => {
    const onchange = () => {
      paint(one);
      choose(one);
    };
    const attributes = { type: "radio", name: "colours", checked: one === metric, onchange };
    return h("label", {}, h("input", attributes), one);
  };
  paint(metric);
  return h(
    "div",
    { class: "legend" },
    h("fieldset", {}, h("legend", {}, "Colours show"), Object.keys(METRICS).map(choice)),
    shades,
    Object.entries(SIGNS)
      .filter(([, sign]) => sign)
      .map(([text, sign]) => entry(`${text.replaceAll(" ", "-")} shade-2`, sign, text)),
    entry("stale shade-2", "", "stale: an input is no longer current"),
  );
}

const entry = (kind, sign, text) =>
  h("span", {}, h("span", { class: `cell ${kind}`, "aria-hidden": true }, sign), text);

function cell(name, one) {
  const attributes = { href: address("partition", name, one.partition), tabindex: -1 };
  return h("a", attributes, SIGNS[one.state]);
}

// Days of one spelling, by year; partitions that are no days, or days too far apart, by name.
function part(kind, members, titled) {
  const years = new Set(members.map(({ time }) => new Date(time).getUTCFullYear()));
  const dated = kind && years.size <= MAX_YEARS;
  const ordered = dated ? members.sort((a, b) => a.time - b.time) : members;
  const cells = ordered.map((member) => member.cell);
  if (!dated) {
    for (const { one, cell: element } of members)
      element.append(h("span", { class: "name" }, one.partition));
  }
  cells[dated ? cells.length - 1 : 0].tabIndex = 0;
  const label = `Partitions${kind ? ` named as ${kind}` : ""}; move with the arrow keys`;
  const drawing = h(
    "div",
    {
      class: dated ? "calendar dated" : "calendar",
      role: "group",
      "aria-label": label,
      onkeydown: (event) => move(event, cells, dated ? 7 : 1),
    },
    dated ? [...years].sort((a, b) => b - a).map((one) => year(one, ordered)) : cells,
  );
  if (!titled) return drawing;
  return [h("h2", {}, kind ? `Days named as ${kind}` : "Other partitions"), drawing];
}

// A year: a column for each week, from Monday on, since the first week with a partition.
function year(number_, members) {
  const mine = members.filter(({ time }) => new Date(time).getUTCFullYear() === number_);
  const first = mine[0].time;
  const monday = first - ((new Date(first).getUTCDay() + 6) % 7) * DAY;
  const week = (time) => Math.floor((time - monday) / (7 * DAY));
  for (const { time, cell: element } of mine) {
    const weekday = Math.round((time - monday) / DAY) % 7;
    element.style.gridArea = `${weekday + 2} / ${week(time) + 2}`;
  }
  const months = [...new Set(mine.map(({ time }) => new Date(time).getUTCMonth()))]
    .map((month) => Date.UTC(number_, month, 1))
    .map((begin) => [begin, Math.max(0, week(begin + 6 * DAY)) + 2])
    .filter(([, column], index, all) => index + 1 === all.length || all[index + 1][1] > column + 1);
  const names = months.map(([begin, column]) => {
    const text = new Date(begin).toLocaleString("en", { month: "short", timeZone: "UTC" });
    const label = h("span", { class: "month" }, text);
    label.style.gridColumn = column;
    return label;
  });
  const days = WEEKDAYS.map((text, index) => {
    const label = h("span", { class: "weekday" }, text);
    label.style.gridRow = index + 2;
    return label;
  });
  return h(
    "div",
    { class: "year" },
    h("span", { class: "number" }, String(number_)),
    h("span", { "aria-hidden": true, class: "labels" }, names, days),
    mine.map((member) => member.cell),
  );
}

const rank = (value, bounds) => bounds.filter((bound) => value > bound).length;

function median(values) {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  return known.length >= MIN_FOR_MEDIAN ? known[Math.floor(known.length / 2)] : null;
}

// How a day is spelled, and when it is; an empty text and null for other names.
function day(name) {
  const parts = /^(\d{4})(-?)(\d\d)\2(\d\d)$/.exec(name);
  if (!parts) return ["", null];
  const [year_, month, date] = [Number(parts[1]), Number(parts[3]) - 1, Number(parts[4])];
  const time = new Date(Date.UTC(year_, month, date)); // a day that is none becomes another one
  const real =
    time.getUTCFullYear() === year_ && time.getUTCMonth() === month && time.getUTCDate() === date;
  return real ? [parts[2] ? "2016-11-18" : "20161118", time.getTime()] : ["", null];
}

function move(event, cells, week) {
  const steps = {
    ArrowRight: week,
    ArrowLeft: -week,
    ArrowDown: week === 7 ? 1 : 7,
    ArrowUp: week === 7 ? -1 : -7,
    Home: -cells.length,
    End: cells.length,
  };
  if (!(event.key in steps)) return;
  event.preventDefault();
  const now = cells.indexOf(document.activeElement);
  const next = cells[Math.min(cells.length - 1, Math.max(0, now + steps[event.key]))];
  for (const one of cells) one.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}
