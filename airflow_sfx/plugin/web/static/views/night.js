// The night: what needs attention, in all tables. The first view of the page.

import { get } from "../api.js";
import {
  address,
  counted,
  h,
  link,
  moment,
  number,
  table as rows,
  WHOLE,
  who,
} from "../dom.js";

const PERIODS = { 12: "last 12 hours", 24: "last day", 48: "last 2 days", 168: "last week" };
const HEADINGS = ["what", "table", "partition", "batch", "when", "who", "detail"];
const SHOWN = 200;
const FULL_TABLES = 100;
const REST = "stale batches, foreign changes and unusual values";

// Events are shown first; stale batches and foreign changes take a look at all tables, and in large
// warehouses only if they are asked for.
export async function night(hours = "24") {
  const period = PERIODS[hours] ? hours : "24";
  const since = new Date(Date.now() - Number(period) * 3_600_000).toISOString();
  const found = await get("night", { since, full: false });
  const list = h("section", { "aria-label": "What needs attention" });
  const look = () => {
    list.setAttribute("aria-busy", "true");
    list.replaceChildren(...listed(found, h("p", { class: "empty" }, `Looking for ${REST}…`)));
    get("night", { since, full: true })
      .then((full) => list.replaceChildren(...listed(full, null)))
      .catch((error) => list.append(h("p", { class: "notice" }, error.message)))
      .finally(() => list.setAttribute("aria-busy", "false"));
  };
  const button = h("button", { onclick: look }, `Look for ${REST}`);
  if (found.tables <= FULL_TABLES) look();
  else list.replaceChildren(...listed(found, h("p", {}, button)));
  const choose = (event) => {
    location.hash = address("night", event.target.value);
  };
  const options = Object.entries(PERIODS).map(([value, text]) =>
    h("option", { value, selected: value === period }, text),
  );
  return [
    h("h1", {}, "The night"),
    h("p", {}, h("select", { "aria-label": "Period", onchange: choose }, options)),
    list,
  ];
}

function listed(found, rest) {
  const items = found.items.length;
  const published = `${number(found.changed)} of ${counted(found.tables, "table")} published`;
  const open = items || found.unreadable.length;
  const shown = rows("gravest first", HEADINGS, found.items.slice(0, SHOWN).map(row));
  shown.addEventListener("keydown", walk);
  return [
    h(
      "p",
      { class: "now" },
      `${published}. `,
      open ? h("strong", {}, `${counted(items, "thing")} to look at.`) : "",
      open || rest ? null : h("strong", {}, "Nothing needs attention."),
    ),
    rest,
    ...found.unreadable.map((one) =>
      h("p", { class: "notice" }, `${one.table} could not be looked at: ${one.message}`),
    ),
    items ? shown : null,
    items > SHOWN
      ? h("p", {}, `and ${number(items - SHOWN)} more: see `, link("Changes", "changes"), ".")
      : null,
  ].filter(Boolean);
}

function row(item) {
  const [key, batch] = [item.partition, item.batch_id];
  return [
    h(
      "a",
      { class: `concern ${item.concern.replaceAll(" ", "-")}`, href: target(item) },
      item.concern,
    ),
    item.tables > 1
      ? [link(item.table, "table", item.table), ` and ${counted(item.tables - 1, "other table")}`]
      : link(item.table, "table", item.table),
    key === null
      ? item.partitions
        ? counted(item.partitions, "partition")
        : null
      : link(key || WHOLE, "partition", item.table, key),
    key !== null && batch ? link(batch, "batch", item.table, key, batch) : null,
    moment(item.at),
    item.producer ? who(item.producer) : null,
    item.detail,
  ];
}

// Where to look first, and put it right: a partition, the commit of several, or the table.
function target(item) {
  if (item.partition !== null) return address("partition", item.table, item.partition);
  return item.commit
    ? address("commit", item.table, item.commit)
    : address("table", item.table);
}

// Arrow keys move from one thing to the next.
function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const links = [...event.currentTarget.querySelectorAll("a.concern")];
  const here = links.indexOf(event.target.closest("tr")?.querySelector("a.concern"));
  links[here + step]?.focus();
  event.preventDefault();
}
