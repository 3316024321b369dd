// One table: its figures, and a calendar of its partitions.

import { get } from "./api.js";
import { calendar, compare, legend } from "./calendar.js";
import { address, age, h, named, number, paging, searching, size, table as rows } from "./dom.js";

const CELLS = 366;

const FACTS = {
  "last change": (one) => age(one.newest), partitions: (one) => number(one.partitions), rows: (one) => number(one.rows),
  size: (one) => size(one.bytes), "usual rows": (one) => number(one.usual_rows), waiting: (one) => number(one.staged),
};

// The calendar comes first. The figures take a look at all partitions, so they are asked for after it and come when they are known;
// until then the usual is that of the partitions that are shown.
export async function table(name, search = "", offset = "0") {
  const path = `tables/${named(name)}`;
  const found = await get(`${path}/partitions`, { search, offset, limit: CELLS, usual: false });
  if (found.partitions.length === 1 && !found.partitions[0].partition) {
    location.replace(address("partition", name, ""));
    return [];
  }
  const facts = Object.fromEntries(Object.keys(FACTS).map((term) => [term, h("dd", {}, "…")]));
  const details = h("details", {}, h("summary", {}, "Columns"));
  const cells = calendar(name, found.partitions);
  const figures = h("dl", { class: "facts", "aria-busy": true }, Object.entries(facts).map(([term, value]) => h("div", {}, h("dt", {}, term), value)));
  get(path).then((told) => {
    for (const [term, write] of Object.entries(FACTS)) facts[term].replaceChildren(write(told));
    details.append(columns(told));
    compare(cells, told.usual_rows);
  }, (error) => facts["last change"].replaceChildren(error.message)).finally(() => figures.setAttribute("aria-busy", "false"));
  return [
    h("h1", {}, name),
    figures,
    searching("Search partitions", search, (text) => address("table", name, text)),
    legend(cells),
    found.total ? cells : h("p", { class: "empty" }, search ? "No partition has this in its name." : "The table has no partitions yet."),
    paging(found.total, Number(offset), CELLS, (at) => address("table", name, search, at), ["Newer", "Older"]),
    details,
  ];
}

function columns(told) {
  const body = [...told.columns.map((one) => [one.name, one.type, ""]), ...told.keys.map((one) => [one.name, one.type, "partition key"])];
  return rows(`${number(body.length)} columns`, ["column", "type", "part"], body);
}
