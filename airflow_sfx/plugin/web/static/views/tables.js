// All tables: names first, and the totals of each table as they arrive.

import { get } from "../api.js";
import {
  address,
  age,
  counted,
  h,
  link,
  named,
  number,
  paging,
  searching,
  size,
  table as rows,
} from "../dom.js";
import { whenStaleIsKnown } from "../widgets/stale.js";
import { NONE } from "../words.js";

const PAGE = 25;
const HEADINGS = ["table", "last change", "#partitions", "#rows", "#size", "#staged", "#stale"];

export async function tables(search = "", offset = "0") {
  const found = await get("tables", { search, offset, limit: PAGE });
  const totals = found.tables.map(() => HEADINGS.slice(1, -1).map(waiting));
  const stale = found.tables.map(waiting);
  const body = found.tables.map((name, index) => [
    link(name, "table", name),
    ...totals[index],
    stale[index],
  ]);
  const listed = rows(counted(found.total, "table"), HEADINGS, body);
  listed.setAttribute("aria-busy", "true");
  Promise.all(found.tables.map((name, index) => fill(name, totals[index]))).then(() =>
    listed.setAttribute("aria-busy", "false"),
  );
  const problem = h("div", {});
  if (found.total)
    whenStaleIsKnown(problem, { limit: 1 }, ({ tables: counts }) =>
      found.tables.forEach((name, index) => stale[index].replaceWith(staleOf(name, counts))),
    );
  const none = search ? "No table name contains this text." : "The warehouse has no tables yet.";
  return [
    h("h1", {}, "Tables"),
    searching("Search tables", search, (text) => address("tables", text)),
    found.total ? listed : h("p", { class: "empty" }, none),
    problem,
    paging(found.total, Number(offset), PAGE, (at) => address("tables", search, at), [
      "Previous",
      "Next",
    ]),
  ];
}

const waiting = () => h("span", { class: "empty" }, "…");

const staleOf = (name, counts) =>
  counts[name]
    ? h("a", { class: "state stale", href: address("stale", name) }, number(counts[name]))
    : NONE;

async function fill(name, cells) {
  let texts;
  try {
    const one = await get(`tables/${named(name)}`);
    texts = [
      age(one.newest),
      number(one.partitions),
      number(one.rows),
      size(one.bytes),
      number(one.staged),
    ];
  } catch (error) {
    texts = [error.message, NONE, NONE, NONE, NONE];
  }
  cells.forEach((cell, index) => cell.replaceWith(texts[index]));
}
