// All tables, and one table as a calendar of its partitions.

import { address, age, h, link, number, size, table as rows } from "./dom.js";
import { get } from "./api.js";

const PAGE = 25;
const CELLS = 366;
const MOST_WEEKS = 80;
const DAY = 86_400_000;
const SIGNS = { current: "", "rolled back": "↺", staged: "◇", "failed check": "!", "foreign change": "?" };

export const named = (name) => name.split(".").map(encodeURIComponent).join("/");

export async function tables(search = "", offset = "0") {
  const found = await get("tables", { search, offset, limit: PAGE });
  const figures = await Promise.all(found.tables.map((name) => get(`tables/${named(name)}`).catch((error) => ({ error }))));
  const body = found.tables.map((name, index) => {
    const one = figures[index];
    if (one.error) return [name, one.error.message, null, null, null, null];
    return [link(name, "table", name), age(one.newest), number(one.partitions), number(one.rows), size(one.bytes), number(one.staged)];
  });
  const headings = ["table", "last change", "#partitions", "#rows", "#size", "#waiting"];
  return [
    h("h1", {}, "Tables"),
    searching("Search tables", search, (text) => address("tables", text)),
    found.total ? rows(`${number(found.total)} tables`, headings, body) : h("p", { class: "empty" }, search ? "No table has this in its name." : "The warehouse has no tables yet."),
    paging(found.total, Number(offset), PAGE, (at) => address("tables", search, at)),
  ];
}

export async function table(name, search = "", offset = "0") {
  const path = `tables/${named(name)}`;
  const [figures, found] = await Promise.all([get(path), get(`${path}/partitions`, { search, offset, limit: CELLS })]);
  if (!figures.keys.length) {
    location.replace(address("partition", name, ""));
    return [];
  }
  const facts = [
    ["last change", age(figures.newest)], ["partitions", number(figures.partitions)], ["rows", number(figures.rows)],
    ["size", size(figures.bytes)], ["usual rows", number(figures.usual_rows)], ["waiting", number(figures.staged)],
  ];
  const columns = [...figures.columns.map((one) => [one.name, one.type, ""]), ...figures.keys.map((one) => [one.name, one.type, "partition key"])];
  return [
    h("h1", {}, name),
    h("dl", { class: "facts" }, facts.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value)))),
    searching("Search partitions", search, (text) => address("table", name, text)),
    legend(),
    calendar(name, found.partitions),
    paging(found.total, Number(offset), CELLS, (at) => address("table", name, search, at)),
    h("details", {}, h("summary", {}, `${columns.length} columns`), rows("columns", ["column", "type", ""], columns)),
  ];
}

// Days lie as in a calendar, a column a week from Monday on; other partitions, and days too far apart, one after the other.
function calendar(name, partitions) {
  const days = partitions.map((one) => day(one.partition));
  const first = days.every(Boolean) ? Math.min(...days) : NaN;
  const monday = first - ((new Date(first).getUTCDay() + 6) % 7) * DAY;
  const dated = (Math.max(...days) - monday) / DAY < MOST_WEEKS * 7;
  const cells = partitions.map((one) => cell(name, one, dated));
  const months = [];
  cells.forEach((one, index) => {
    if (!dated) return;
    const number = Math.round((days[index] - monday) / DAY);
    one.style.gridArea = `${(number % 7) + 1} / ${Math.floor(number / 7) + 1}`;
    const month = days[index].toLocaleString("en", { month: "short", year: "numeric", timeZone: "UTC" });
    if (days[index].getUTCDate() <= 7 && months.at(-1)?.textContent !== month) {
      months.push(h("span", { class: "month", "aria-hidden": true }, month));
      months.at(-1).style.gridColumn = Math.floor(number / 7) + 1;
    }
  });
  if (dated) cells.reverse(); // a calendar goes on from left to right
  if (cells.length) cells[0].tabIndex = 0;
  return h("div", { class: dated ? "calendar dated" : "calendar", role: "group", "aria-label": "partitions", onkeydown: walk }, cells, months);
}

function cell(name, one, dated) {
  const told = [one.partition, one.state, `${number(one.rows)} rows`, `changed ${age(one.at)}`];
  if (one.ratio !== null) told.push(`${Math.round(one.ratio * 100)} % of the usual`);
  const state = one.state.replaceAll(" ", "-");
  const attributes = {
    href: address("partition", name, one.partition), class: `cell ${state} ${shade(one.ratio)}`, tabindex: -1,
    "aria-label": told.join(", "), title: told.join("\n"),
  };
  return h("a", attributes, SIGNS[one.state], dated ? null : h("span", { class: "name" }, one.partition));
}

// Five shades: far fewer rows than usual, fewer, usual, more, far more.
function shade(ratio) {
  if (ratio === null) return "unknown";
  const bounds = [0.5, 0.8, 1.25, 2];
  return `shade-${bounds.filter((bound) => ratio > bound).length}`;
}

function day(name) {
  const parts = /^(\d{4})-?(\d\d)-?(\d\d)$/.exec(name);
  return parts ? new Date(Date.UTC(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3]))) : null;
}

function walk(event) {
  const cells = [...event.currentTarget.querySelectorAll(".cell")];
  const weeks = event.currentTarget.classList.contains("dated") ? 7 : 1;
  const steps = { ArrowRight: weeks, ArrowLeft: -weeks, ArrowDown: weeks === 7 ? 1 : 7, ArrowUp: weeks === 7 ? -1 : -7, Home: -cells.length, End: cells.length };
  if (!(event.key in steps)) return;
  event.preventDefault();
  const next = cells[Math.min(cells.length - 1, Math.max(0, cells.indexOf(document.activeElement) + steps[event.key]))];
  for (const one of cells) one.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

function legend() {
  const shades = ["under half", "fewer", "usual rows", "more", "over double"];
  const states = Object.entries(SIGNS).filter(([, sign]) => sign);
  return h("p", { class: "legend" },
    shades.map((text, index) => h("span", {}, h("span", { class: `cell current shade-${index}`, "aria-hidden": true }), text)),
    states.map(([text, sign]) => h("span", {}, h("span", { class: `cell ${text.replaceAll(" ", "-")} shade-2`, "aria-hidden": true }, sign), text)));
}

function searching(label, text, to) {
  const field = h("input", { type: "search", name: "search", value: text, "aria-label": label, placeholder: label });
  return h("form", { role: "search", onsubmit: (event) => {
    event.preventDefault();
    location.hash = to(field.value.trim());
  } }, field, h("button", {}, "Search"));
}

export function paging(total, offset, length, to) {
  if (total <= length) return null;
  const last = Math.min(total, offset + length);
  return h("nav", { class: "paging", "aria-label": "pages" },
    offset > 0 ? h("a", { href: to(String(Math.max(0, offset - length))) }, "Newer") : h("span", {}),
    h("span", {}, `${number(offset + 1)}–${number(last)} of ${number(total)}`),
    last < total ? h("a", { href: to(String(offset + length)) }, "Older") : h("span", {}));
}
