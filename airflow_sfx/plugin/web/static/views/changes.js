// What changed across tables: during a time, or by one DAG run, which can be undone as one.

import { get, post } from "./api.js";
import { ask, attempt } from "./confirm.js";
import { address, h, link, moment, number, operation, paging, table as rows, who } from "./dom.js";
import { show } from "./page.js";

const PAGE = 50;
const HOURS = { 1: "the last hour", 24: "the last day", 168: "the last week", 720: "the last 30 days" };
const WHOLE = "(whole table)";

export async function changes(hours = "24", offset = "0") {
  const since = new Date(Date.now() - (HOURS[hours] ? Number(hours) : 24) * 3_600_000).toISOString();
  const found = await get("changes", { since, limit: PAGE, offset });
  const choice = h("select", { "aria-label": "Since when", onchange: (event) => { location.hash = address("changes", event.target.value); } },
    Object.entries(HOURS).map(([value, text]) => h("option", { value, selected: value === hours }, text)));
  return [
    h("h1", {}, "Changes"),
    h("p", {}, choice),
    ...untold(found),
    listed(found, `Nothing has changed in ${HOURS[hours] ?? HOURS[24]}.`),
    paging(null, Number(offset), PAGE, (at) => address("changes", hours, at), ["Newer", "Older"], found.more),
  ];
}

export async function run(dagId, runId, taskId, offset = "0") {
  const found = await get("runs", { dag_id: dagId, run_id: runId, task_id: taskId, limit: PAGE, offset });
  const undo = () => attempt(() => undoRun(dagId, runId));
  return [
    h("h1", {}, taskId ? `What ${taskId} changed` : "What this run changed"),
    found.total && !taskId ? h("p", {}, h("button", { onclick: undo }, "Undo this run…")) : null,
    ...untold(found),
    listed(found, found.untold.length ? "It has changed no other table of the warehouse." : "It has changed no table of the warehouse."),
    paging(found.total, Number(offset), PAGE, (at) => address("run", at), ["Newer", "Older"]),
  ];
}

function untold(found) {
  return found.untold.map((one) => h("p", { class: "waiting" }, `The changes of ${one.table} cannot be told: ${one.message}`));
}

function listed(found, none) {
  if (!found.changes.length) return h("p", { class: "empty" }, none);
  const body = found.changes.map((one) => [
    link(one.table, "table", one.table), link(one.partition || WHOLE, "partition", one.table, one.partition), operation(one.operation),
    one.batch_id ? link(one.batch_id, "batch", one.table, one.partition, one.batch_id) : "no batch",
    number(one.rows), moment(one.at), who(one.producer), one.reason,
  ]);
  const caption = found.total === null ? "newest first" : `${number(found.total)} ${found.total === 1 ? "change" : "changes"}`;
  return rows(caption, ["table", "partition", "change", "batch", "#rows", "when", "who", "why"], body);
}

async function undoRun(dagId, runId) {
  const expected = await get("runs/undo", { dag_id: dagId, run_id: runId });
  const back = expected.flatMap((one) => Object.entries(one.rolled_back).map(([key, id]) => [one.table, key || WHOLE, id ?? "no batch, as before"]));
  const kept = expected.flatMap((one) => Object.keys(one.kept).map((key) => `${one.table} ${key}`.trim()));
  const gone = expected.filter((one) => one.gone);
  const blocked = expected.flatMap((one) => one.blocked ?? []);
  const most = 100;
  ask({
    question: `Undo all that the run ${runId} of ${dagId} published?`,
    verb: "Undo",
    possible: back.length > 0 && !blocked.length,
    told: [
      back.length ? rows(`${number(back.length)} partitions go back`, ["table", "partition", "to the batch"], back.slice(0, most)) : blocked.length ? null : h("p", {}, "Nothing of it is current any more: there is nothing to undo."),
      back.length > most ? h("p", {}, `and ${number(back.length - most)} more`) : null,
      kept.length ? h("p", {}, `Changed since, or undone already, and left alone: ${kept.slice(0, most).join(", ")}${kept.length > most ? ` and ${number(kept.length - most)} more` : ""}.`) : null,
      ...gone.map((one) => h("p", {}, `${one.table} is left alone: ${one.gone}`)),
      blocked.length ? h("p", { class: "waiting" }, `It cannot be undone as one: ${blocked.slice(0, most).join("; ")}${blocked.length > most ? `; and ${number(blocked.length - most)} more` : ""}.`) : null,
    ],
    act: (reason) => post("runs/rollback", { dag_id: dagId, run_id: runId, expected, reason }),
    done: show,
    said: `Undone: ${number(back.length)} partitions are as they were before the run.`,
  });
}
