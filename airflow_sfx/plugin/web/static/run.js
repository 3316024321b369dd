// What a DAG run, or one of its tasks, has changed.

import { get } from "./api.js";
import { h, link, moment, number, table as rows, who } from "./dom.js";

export async function run(dagId, runId, taskId) {
  const found = await get("runs", { dag_id: dagId, run_id: runId });
  const changes = found.flatMap((report) => report.changes.map((one) => ({ ...one, table: report.table })));
  const shown = taskId ? changes.filter((one) => one.producer.task_id === taskId) : changes;
  const body = shown.map((one) => [
    link(one.table, "table", one.table), link(one.partition || "(whole table)", "partition", one.table, one.partition),
    one.operation.replace("_", " "), one.batch_id ? link(one.batch_id, "batch", one.table, one.partition, one.batch_id) : "no batch",
    number(one.rows), moment(one.at), who(one.producer),
  ]);
  return [
    h("h1", {}, taskId ? `What ${taskId} changed` : "What this run changed"),
    body.length ? rows(`${number(body.length)} changes`, ["table", "partition", "change", "batch", "#rows", "when", "who"], body)
      : h("p", { class: "empty" }, "It has changed no table of the warehouse."),
  ];
}
