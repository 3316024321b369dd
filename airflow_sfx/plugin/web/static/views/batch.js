// A batch: its contents, lineage and holds.

import { get } from "../api.js";
import { h, link, moment, named, number, size, table as rows, text, who } from "../dom.js";
import { failures, results } from "../widgets/checks.js";
import { lineage } from "../widgets/lineage.js";
import { firstRows } from "../widgets/rows.js";
import { buttons } from "../widgets/staged.js";
import { ofPartition, staleNotice, whenStaleIsKnown } from "../widgets/stale.js";

export async function batch(name, key, id) {
  const one = await get(`tables/${named(name)}/batch`, { partition: key, batch_id: id });
  const staged = one.staged_as;
  const state = one.current
    ? "current"
    : staged
      ? `staged, ${staged.state}`
      : "replaced or rolled back";
  const facts = [
    ["state", state],
    ["rows", number(one.rows)],
    ["size", size(one.bytes)],
    ["written", moment(one.created_at)],
    ["by", who(one.producer)],
  ];
  if (one.replaced) facts.push(["replaced", link(one.replaced, "batch", name, key, one.replaced)]);
  const columns = one.columns.map((column) => {
    const { null_count, minimum, maximum } = one.statistics[column.name] ?? {};
    return [column.name, column.type, number(null_count), text(minimum), text(maximum)];
  });
  const files = one.files.map((file) => [file.path, number(file.rows), size(file.size)]);
  const failed = failures(one.checks);
  const stale = h("div", {});
  if (one.current)
    whenStaleIsKnown(stale, ofPartition(name, key), ({ batches: [found] }) => {
      if (found?.batch_id === id) stale.replaceChildren(staleNotice(found));
    });
  return [
    h("h1", {}, `${name} ${key} ${id}`),
    h(
      "dl",
      { class: "facts" },
      facts.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))),
    ),
    stale,
    failed ? h("div", { class: "notice bad" }, failed) : null,
    staged ? h("p", {}, buttons(name, staged)) : null,
    one.replaced
      ? h("p", {}, link(`Compare with ${one.replaced}`, "diff", name, key, one.replaced, id))
      : null,
    results(one.checks),
    lineage(one),
    one.held_by.length ? h("p", {}, link("Holds of this table", "holds", name)) : null,
    firstRows(name, key, one),
    rows("columns", ["column", "type", "#nulls", "minimum", "maximum"], columns),
    rows("files", ["file", "#rows", "#size"], files),
  ];
}
