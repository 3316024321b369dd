// What is undone as one: the changes of a DAG run, of a backfill, or of one commit, by partition.

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
import { undoButton } from "../widgets/undo.js";
import { unreadable } from "./changes.js";

const PAGE = 50;
const FINAL = ["retire", "erase", "foreign_change", "discard"];

export async function run(dagId, runId, taskId, offset = "0") {
  const unit = { dag_id: dagId, run_id: runId };
  const found = await get("runs", { ...unit, task_id: taskId, limit: PAGE, offset });
  const other = found.unreadable.length ? "other " : "";
  const none = `This ${taskId ? "task" : "run"} has not changed any ${other}table.`;
  const undo = undoButton("Undo this run…", "runs", unit, `run ${runId} of ${dagId}`);
  const to = (at) => address("run", at);
  return [
    h("h1", {}, taskId ? `Changes by task ${taskId}` : "Changes by this run"),
    found.total && !taskId ? h("p", {}, undo, ofBackfill(found)) : null,
    ...listed(found, none, Number(offset), to),
  ];
}

export async function backfill(dagId, number, offset = "0") {
  const unit = { dag_id: dagId, backfill_id: number };
  const found = await get("backfills", { ...unit, limit: PAGE, offset });
  const what = `backfill ${number} of ${dagId}`;
  const to = (at) => address("backfill", dagId, number, at);
  return [
    h("h1", {}, `Changes by ${what}`),
    found.total ? h("p", {}, undoButton("Undo this backfill…", "backfills", unit, what)) : null,
    ...listed(found, "This backfill has not changed any table.", Number(offset), to),
  ];
}

export async function commit(name, id, offset = "0") {
  const unit = { table: name, commit: id };
  const found = await get("commits", { ...unit, limit: PAGE, offset });
  const [first] = found.changes;
  const kind = first?.operation === "rollback" ? "rollback" : "commit";
  const undo = undoButton(`Undo this ${kind}…`, "commits", unit, `the ${kind} of ${name}`);
  const to = (at) => address("commit", name, id, at);
  return [
    h("h1", {}, `${name}: one commit`),
    h("p", {}, id),
    first && !FINAL.includes(first.operation) ? h("p", {}, undo, ofBackfill(found)) : null,
    ...listed(found, "The table has no such commit.", Number(offset), to),
  ];
}

// A link to the backfill that the changes are of.
function ofBackfill(found) {
  const { dag_id: dagId, backfill_id: number } = found.changes[0]?.producer ?? {};
  if (!number) return null;
  return h("span", {}, " ", link(`All of the backfill ${number}`, "backfill", dagId, number));
}

function listed(found, none, offset, to) {
  const body = found.changes.map((one) => [
    link(one.table, "table", one.table),
    link(one.partition || WHOLE, "partition", one.table, one.partition),
    operation(one.operation),
    one.batch_id ? link(one.batch_id, "batch", one.table, one.partition, one.batch_id) : "no batch",
    number(one.rows),
    moment(one.at),
    who(one.producer),
    one.reason,
  ]);
  const headings = ["table", "partition", "change", "batch", "#rows", "when", "who", "why"];
  return [
    ...unreadable(found),
    body.length
      ? rows(counted(found.total, "change"), headings, body)
      : h("p", { class: "empty" }, none),
    paging(found.total, offset, PAGE, to, ["Newer", "Older"]),
  ];
}
