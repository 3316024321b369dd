// Changes across tables: the commits of a period, each of which opens to its partitions.

import { get } from "../api.js";
import {
  address,
  counted,
  h,
  link,
  moment,
  number,
  operation,
  paging,
  table as rows,
  WHOLE,
  who,
} from "../dom.js";
import { OPERATIONS } from "../words.js";

const PAGE = 50;
const PERIODS = { 1: "last hour", 24: "last day", 168: "last week", 720: "last 30 days" };
const FILTERS = { table: "Table", actor: "Person", dag_id: "DAG", run_id: "Run" };
const HEADINGS = ["table", "partition", "change", "batch", "#rows", "when", "who", "why", "more"];

export async function changes(hours = "24", offset = "0", ...filters) {
  const period = PERIODS[hours] ? hours : "24";
  const since = new Date(Date.now() - Number(period) * 3_600_000).toISOString();
  const names = [...Object.keys(FILTERS), "operation"];
  const asked = Object.fromEntries(names.map((name, index) => [name, filters[index] || null]));
  const found = await get("changes", { since, limit: PAGE, offset, ...asked });
  return [
    h("h1", {}, "Changes"),
    selection(period, asked),
    ...unreadable(found),
    listed(found, `No such changes in the ${PERIODS[period]}.`),
    paging(
      null,
      Number(offset),
      PAGE,
      (at) => address("changes", period, at, ...filters),
      ["Newer", "Older"],
      found.more,
    ),
  ];
}

export const unreadable = (found) =>
  found.unreadable.map((one) =>
    h("p", { class: "notice" }, `The history of ${one.table} cannot be read: ${one.message}`),
  );

// The period, and which changes are listed.
function selection(period, asked) {
  const choice = (label, name, options, chosen) =>
    h(
      "select",
      { name, "aria-label": label, onchange: (event) => event.target.form.requestSubmit() },
      options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)),
    );
  const kinds = OPERATIONS.map((kind) => [kind, operation(kind).textContent]);
  return h(
    "form",
    {
      role: "search",
      class: "filters",
      onsubmit: (event) => {
        event.preventDefault();
        const given = new FormData(event.target);
        const filters = [...Object.keys(FILTERS), "operation"].map((name) =>
          given.get(name).trim(),
        );
        location.hash = address("changes", given.get("period"), "0", ...filters);
      },
    },
    choice("Period", "period", Object.entries(PERIODS), period),
    choice("Kind", "operation", [["", "all kinds"], ...kinds], asked.operation ?? ""),
    Object.entries(FILTERS).map(([name, label]) =>
      h("input", {
        name,
        value: asked[name],
        "aria-label": label,
        placeholder: label,
        autocomplete: "off",
      }),
    ),
    h("button", {}, "Show"),
  );
}

function listed(found, none) {
  if (!found.changes.length) return h("p", { class: "empty" }, none);
  const body = found.changes.map((one) => [
    link(one.table, "table", one.table),
    one.partition === null
      ? counted(one.partitions, "partition")
      : link(one.partition || WHOLE, "partition", one.table, one.partition),
    operation(one.operation),
    batches(one),
    number(one.rows),
    moment(one.at),
    who(one.producer),
    one.reason,
    link("Open", "commit", one.table, one.commit),
  ]);
  return rows("newest first", HEADINGS, body);
}

function batches(one) {
  if (!one.batches) return "no batch";
  if (one.batches > 1) return counted(one.batches, "batch");
  return one.partition === null
    ? one.batch_id
    : link(one.batch_id, "batch", one.table, one.partition, one.batch_id);
}
