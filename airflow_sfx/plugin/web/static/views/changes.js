// Changes across tables: of a period, or of one DAG run, which can be undone as a whole.

import { get, post } from "../api.js";
import { attempt, confirm } from "../widgets/confirm.js";
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

const PAGE = 50;
const MAX_LISTED = 100;
const PERIODS = { 1: "last hour", 24: "last day", 168: "last week", 720: "last 30 days" };

export async function changes(hours = "24", offset = "0") {
  const since = new Date(
    Date.now() - (PERIODS[hours] ? Number(hours) : 24) * 3_600_000,
  ).toISOString();
  const found = await get("changes", { since, limit: PAGE, offset });
  const choose = (event) => {
    location.hash = address("changes", event.target.value);
  };
  const options = Object.entries(PERIODS).map(([value, text]) =>
    h("option", { value, selected: value === hours }, text),
  );
  return [
    h("h1", {}, "Changes"),
    h("p", {}, h("select", { "aria-label": "Period", onchange: choose }, options)),
    ...unreadable(found),
    listed(found, `No changes in the ${PERIODS[hours] ?? PERIODS[24]}.`),
    paging(
      null,
      Number(offset),
      PAGE,
      (at) => address("changes", hours, at),
      ["Newer", "Older"],
      found.more,
    ),
  ];
}

export async function run(dagId, runId, taskId, offset = "0") {
  const found = await get("runs", {
    dag_id: dagId,
    run_id: runId,
    task_id: taskId,
    limit: PAGE,
    offset,
  });
  const undo = () => attempt(() => undoRun(dagId, runId));
  const other = found.untold.length ? "other " : "";
  const none = `This ${taskId ? "task" : "run"} has not changed any ${other}table.`;
  return [
    h("h1", {}, taskId ? `Changes by task ${taskId}` : "Changes by this run"),
    found.total && !taskId ? h("p", {}, h("button", { onclick: undo }, "Undo this run…")) : null,
    ...unreadable(found),
    listed(found, none),
    paging(found.total, Number(offset), PAGE, (at) => address("run", at), ["Newer", "Older"]),
  ];
}

function unreadable(found) {
  return found.untold.map((one) =>
    h("p", { class: "notice" }, `The history of ${one.table} cannot be read: ${one.message}`),
  );
}

function listed(found, none) {
  if (!found.changes.length) return h("p", { class: "empty" }, none);
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
  const caption = found.total === null ? "newest first" : counted(found.total, "change");
  return rows(
    caption,
    ["table", "partition", "change", "batch", "#rows", "when", "who", "why"],
    body,
  );
}

async function undoRun(dagId, runId) {
  const expected = await get("runs/undo", { dag_id: dagId, run_id: runId });
  const rolledBack = expected.flatMap((one) =>
    Object.entries(one.rolled_back).map(([key, id]) => [
      one.table,
      key || WHOLE,
      id ?? "no batch, as before",
    ]),
  );
  const kept = expected.flatMap((one) =>
    Object.keys(one.kept).map((key) => `${one.table} ${key}`.trim()),
  );
  const blocked = expected.flatMap((one) => one.blocked ?? []);
  const partitions = counted(rolledBack.length, "partition");
  const nothing = blocked.length
    ? null
    : h("p", {}, "None of its batches is current: there is nothing to undo.");
  confirm({
    question: `Undo everything that run ${runId} of ${dagId} published?`,
    verb: "Undo",
    possible: rolledBack.length > 0 && !blocked.length,
    details: [
      rolledBack.length
        ? rows(
            `${partitions} to roll back`,
            ["table", "partition", "to batch"],
            rolledBack.slice(0, MAX_LISTED),
          )
        : nothing,
      rolledBack.length > MAX_LISTED
        ? h("p", {}, `and ${number(rolledBack.length - MAX_LISTED)} more`)
        : null,
      kept.length
        ? h(
            "p",
            {},
            `Not affected, as they were changed since, or already undone: ${joined(kept, ", ")}.`,
          )
        : null,
      ...expected
        .filter((one) => one.gone)
        .map((one) => h("p", {}, `${one.table} is skipped: ${one.gone}`)),
      blocked.length
        ? h("p", { class: "notice" }, `This run cannot be undone: ${joined(blocked, "; ")}.`)
        : null,
    ],
    act: (reason) => post("runs/rollback", { dag_id: dagId, run_id: runId, expected, reason }),
    success: `Undone: ${partitions} rolled back.`,
  });
}

function joined(texts, separator) {
  const more = texts.length > MAX_LISTED ? ` and ${number(texts.length - MAX_LISTED)} more` : "";
  return texts.slice(0, MAX_LISTED).join(separator) + more;
}
