// All stale batches, of the warehouse or of one table.

import { address, h, link, moment, paging } from "../dom.js";
import { staleTable, whenStaleIsKnown } from "../widgets/stale.js";

const PAGE = 50;

export async function stale(name = "", offset = "0") {
  const list = h("section", { "aria-label": "Stale batches" }, h("p", { class: "empty" }, "…"));
  const to = (at) => address("stale", name, at);
  whenStaleIsKnown(list, { table: name, limit: PAGE, offset }, (found) =>
    list.replaceChildren(...listed(found, Number(offset), to).flat().filter(Boolean)),
  );
  return [
    h("h1", {}, name ? `Stale batches of ${name}` : "Stale batches"),
    h("p", {}, "Current batches that were made, at any depth, from one that is no longer current."),
    name ? h("p", {}, link("All tables", "stale")) : null,
    list,
  ];
}

function listed(found, offset, to) {
  const searched = h("p", { class: "empty" }, "As of ", moment(found.at), ".");
  if (!found.total) return [h("p", { class: "empty" }, "No batch is stale."), searched];
  return [
    staleTable(found),
    searched,
    paging(found.total, offset, PAGE, to, ["Previous", "Next"]),
  ];
}
