// A batch: its contents, lineage and holds.

import { get } from "../api.js";
import { h, link, moment, named, number, size, table as rows, text, who } from "../dom.js";
import { lineage } from "../widgets/lineage.js";

export async function batch(name, key, id) {
  const one = await get(`tables/${named(name)}/batch`, { partition: key, batch_id: id });
  const state = one.current ? "current" : one.staged ? "staged" : "replaced or rolled back";
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
  const checks = one.checks.map((check) => [
    check.name,
    check.passed ? "passed" : "failed",
    check.detail,
  ]);
  const files = one.files.map((file) => [file.path, number(file.rows), size(file.size)]);
  return [
    h("h1", {}, `${name} ${key} ${id}`),
    h(
      "dl",
      { class: "facts" },
      facts.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))),
    ),
    one.replaced
      ? h("p", {}, link(`Compare with ${one.replaced}`, "diff", name, key, one.replaced, id))
      : null,
    checks.length ? rows("checks before publishing", ["check", "result", "detail"], checks) : null,
    lineage(one),
    rows("columns", ["column", "type", "#nulls", "minimum", "maximum"], columns),
    rows("files", ["file", "#rows", "#size"], files),
  ];
}
