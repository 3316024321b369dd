// Two versions of a model side by side: data, metrics, code, packages, coefficients, predictions.

import { get } from "../../api.js";
import { counted, h, link, modelPath, number, table as rows, text, WHOLE } from "../../dom.js";
import { NONE } from "../../words.js";

const VALUES = ["name", "before", "after", "#change"];

export async function compare(name, before, after) {
  const found = await get(`${modelPath(name)}/diff`, { before, after });
  return [
    h("h1", {}, `${name}: two versions`),
    h(
      "p",
      { class: "now" },
      link(before, "version", name, before),
      " → ",
      link(after, "version", name, after),
      found.identical ? ": the versions are identical." : null,
    ),
    data(found.data),
    changes("metrics", found.metrics),
    found.predictions.map(predictions),
    changes("coefficients or gains, the largest change first", found.terms, found.terms_total),
    changes("parameters that differ", found.params),
    changes("columns that differ", found.signature),
    code(found.code),
    changes("packages and platform that differ", found.environment),
    found.notes.map((one) => h("p", { class: "notice quiet" }, `Not compared: ${one}`)),
  ];
}

function changes(caption, values, total = values.length) {
  if (!values.length) return null;
  const more = total - values.length;
  return [
    rows(
      caption,
      VALUES,
      values.map((one) => [one.name, shown(one.before), shown(one.after), shown(one.change)]),
    ),
    more > 0 ? h("p", {}, `and ${number(more)} more`) : null,
  ];
}

function shown(value) {
  if (typeof value === "number") return number(value);
  return typeof value === "object" && value !== null ? JSON.stringify(value) : text(value);
}

// The batches of each role: what the partitions that differ had before, and have now.
function data(roles) {
  const body = roles.map((one) => [
    one.role,
    one.table_after ?? one.table_before,
    number(one.rows_before),
    number(one.rows_after),
    one.same ? "the same" : `${counted(one.total, "partition")} ${one.total === 1 ? "differs" : "differ"}`,
  ]);
  if (!body.length) return h("p", { class: "empty" }, "Neither version names batches.");
  return [
    rows("data", ["role", "table", "#rows before", "#rows after", "batches"], body),
    roles.filter((one) => one.batches.length).map(swapped),
  ];
}

function swapped(one) {
  const moved = one.table_before !== one.table_after;
  const of = (table, key, id) => (id ? link(id, "batch", table, key, id) : NONE);
  const body = one.batches.map(({ partition: key, before, after }) => [
    key || WHOLE,
    of(one.table_before, key, before),
    of(one.table_after, key, after),
    before && after && !moved
      ? h("span", { class: "actions" }, link("Compare rows", "diff", one.table_after, key, before, after))
      : null,
  ]);
  const more = one.total - one.batches.length;
  return [
    rows(`batches of ${one.role} that differ`, ["partition", "before", "after", "actions"], body),
    more > 0 ? h("p", {}, `and ${number(more)} more`) : null,
  ];
}

function code(files) {
  if (!files.length) return null;
  return h(
    "section",
    { "aria-label": "Code" },
    h("h2", {}, "Code"),
    files.map((one) =>
      h(
        "details",
        { open: files.length === 1 },
        h("summary", {}, `${one.path}: ${number(one.added)} added, ${number(one.removed)} removed`),
        h("pre", { tabindex: 0, role: "group", "aria-label": one.path }, one.hunks),
      ),
    ),
  );
}

function predictions(one) {
  const differ =
    one.labels === null
      ? `mean difference ${number(one.mean_change)}, at most ${number(one.greatest)}`
      : `${number(one.labels)} in another class`;
  const body = one.examples.map((example) => [
    Object.entries(example.row)
      .map(([column, value]) => `${column}=${text(value)}`)
      .join(", "),
    shown(example.before),
    shown(example.after),
  ]);
  return [
    h("p", {}, `Predictions for ${number(one.rows)} ${one.on}: ${differ}.`),
    body.length ? rows("rows whose predictions differ most", ["row", "before", "after"], body) : null,
  ];
}
