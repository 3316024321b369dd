// A table: its totals, its staged batches, and its partitions as a calendar or a list.

import { mirror } from "../address.js";
import { get } from "../api.js";
import { calendar, coloured, FEW, legend, list, marked, METRICS } from "../widgets/calendar.js";
import { stagedTable } from "../widgets/staged.js";
import { staleTable, whenStaleIsKnown } from "../widgets/stale.js";
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
import { metrics } from "./metrics.js";

const CELLS = 366;
const STAGED = 20;
const STALE = 20;
const MOST_STALE = 1000; // of one request
const WINDOW = "window"; // the last key of a table that streams feed

const FACTS = {
  "last change": (one) => age(one.newest),
  partitions: (one) => number(one.partitions),
  rows: (one) => number(one.rows),
  size: (one) => size(one.bytes),
  "usual rows": (one) => number(one.usual_rows),
  staged: (one) => number(one.staged),
};

// The totals take a read of all partitions, so the calendar is shown first. Until they arrive, the
// usual rows are those of the partitions shown.
export async function table(name, search = "", offset = "0", colours = "rows") {
  const path = `tables/${named(name)}`;
  const found = await get(`${path}/partitions`, { search, offset, limit: CELLS, usual: false });
  if (found.partitions.length === 1 && !found.partitions[0].partition) {
    location.replace(address("partition", name, ""));
    return [];
  }
  const facts = Object.fromEntries(Object.keys(FACTS).map((term) => [term, h("dd", {}, "…")]));
  const details = h("details", {}, h("summary", {}, "Columns"));
  const few = found.total <= FEW;
  const usual = {};
  let metric = colours in METRICS ? colours : "rows";
  const cells = few ? list(name, found.partitions) : calendar(name, found.partitions, metric);
  const choose = (one) => {
    metric = one;
    coloured(cells, metric, usual);
    history.replaceState(history.state, "", address("table", name, search, offset, metric));
    mirror();
  };
  const staged = h("div", {});
  get(`${path}/staged`, { limit: STAGED }).then(
    (all) => staged.replaceChildren(...[stagedTable(name, all)].filter(Boolean)),
    (error) => staged.replaceChildren(`Staged batches: ${error.message}`),
  );
  const totals = h(
    "dl",
    { class: "facts", "aria-busy": true },
    Object.entries(facts).map(([term, value]) => h("div", {}, h("dt", {}, term), value)),
  );
  const stale = h("div", {});
  const streams = h("p", {});
  const recolour = () => coloured(cells, metric, usual);
  if (found.total)
    staleOf(name, found, stale, (batches) => marked(cells, found.partitions, batches, recolour));
  get(path)
    .then(
      (totalsOf) => {
        for (const [term, write] of Object.entries(FACTS))
          facts[term].replaceChildren(write(totalsOf));
        details.append(columns(totalsOf));
        if (totalsOf.keys.at(-1)?.name === WINDOW)
          streams.append(link("Streams into this table", "streams", name));
        usual.rows = totalsOf.usual_rows;
        if (!few) recolour();
      },
      (error) => facts["last change"].replaceChildren(error.message),
    )
    .finally(() => totals.setAttribute("aria-busy", "false"));
  return [
    h("h1", {}, name),
    totals,
    streams,
    searching("Search partitions", search, (text) => address("table", name, text)),
    few ? null : legend(metric, choose),
    found.total
      ? cells
      : h(
          "p",
          { class: "empty" },
          search ? "No partition name contains this text." : "The table has no partitions yet.",
        ),
    paging(
      found.total,
      Number(offset),
      CELLS,
      (at) => address("table", name, search, at, metric),
      ["Newer", "Older"],
    ),
    stale,
    staged,
    found.total ? metrics(name) : null,
    details,
  ];
}

// Lists the stale batches of the table, and marks those of this page.
function staleOf(name, found, place, mark) {
  whenStaleIsKnown(place, { table: name, limit: MOST_STALE }, (all) => {
    if (!all.total) return;
    const more = all.total > STALE ? link(`All ${number(all.total)} stale batches`, "stale", name) : null;
    const shown = { ...all, batches: all.batches.slice(0, STALE) };
    place.replaceChildren(...[...staleTable(shown), more].filter(Boolean));
    if (all.total <= MOST_STALE) {
      mark(all.batches);
      return;
    }
    const names = found.partitions.map((one) => one.partition);
    const [last, first] = [names[0], names.at(-1)];
    get("stale", { table: name, first, last, limit: MOST_STALE }).then(
      (ofPage) => mark(ofPage.batches),
      () => {},
    );
  });
}

function columns(one) {
  const body = [
    ...one.columns.map((column) => [column.name, column.type, ""]),
    ...one.keys.map((key) => [key.name, key.type, "partition key"]),
  ];
  return rows(counted(body.length, "column"), ["column", "type", "role"], body);
}
