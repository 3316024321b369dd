// The undo of many partitions as one: of a DAG run, a backfill or a commit.

import { get, post } from "../api.js";
import { counted, h, moment, number, table as rows, WHOLE, who } from "../dom.js";
import { attempt, confirm } from "./confirm.js";
import { becomesStale } from "./downstream.js";

const MAX_LISTED = 100;

// A button that plans the undo and asks. `path` is the kind of what is undone in the API, and
// `unit` names it there.
export function undoButton(label, path, unit, what) {
  return h("button", { onclick: () => attempt(() => ask(path, unit, what)) }, label);
}

// Shows the plan of an undo: which batch each partition goes to, and what stays.
async function ask(path, unit, what, { last = false } = {}) {
  const request = last ? { ...unit, attempt: "last" } : unit;
  const plan = await get(`${path}/undo`, request);
  const steps = plan.flatMap((one) => (one.steps ?? []).map((step) => [one.table, step]));
  const kept = plan.flatMap((one) => Object.keys(one.kept).map((key) => `${one.table} ${key}`.trim()));
  const blocked = plan.flatMap((one) => one.blocked ?? []);
  const emptied = steps.filter(([, step]) => step.batch_id === null).length;
  const partitions = counted(steps.length, "partition");
  const expected = plan.map(({ steps: _, stale: __, models: ___, ...one }) => one);
  const stale = plan.flatMap((one) => one.stale ?? []);
  const models = plan.flatMap((one) => one.models ?? []);
  const affected = new Map(models.map((one) => [`${one.model}/${one.version}`, one]));
  const changed = last ? `the last attempt of ${what}` : what;
  confirm({
    question: `Undo everything that ${changed} changed?`,
    verb: "Undo",
    possible: steps.length > 0 && !blocked.length,
    details: [
      attempts(plan, last, () => ask(path, unit, what, { last: !last })),
      steps.length ? listed(partitions, steps, emptied) : null,
      steps.length || blocked.length
        ? null
        : h("p", {}, "None of its batches is current: there is nothing to undo."),
      steps.length ? becomesStale(stale, [...affected.values()]) : null,
      kept.length
        ? h("p", {}, `Not affected, as they were changed since, or already undone: ${joined(kept, ", ")}.`)
        : null,
      ...plan
        .filter((one) => one.gone)
        .map((one) => h("p", {}, `${one.table} is skipped: ${one.gone}`)),
      blocked.length
        ? h(
            "p",
            { class: "notice" },
            `This ${path.slice(0, -1)} cannot be undone: ${joined(blocked, "; ")}.`,
          )
        : null,
    ],
    act: (reason) => post(`${path}/rollback`, { ...request, expected, reason }),
    success: `Undone: ${partitions} rolled back.`,
  });
}

// What ran several times under one name goes back to before the first time, or the last is undone.
function attempts(plan, last, other) {
  const most = Math.max(1, ...plan.map((one) => one.attempts ?? 1));
  if (most < 2 && !last) return null;
  const text = last
    ? "Only what the last attempt changed is undone. "
    : `It ran ${number(most)} times: this goes back to before the first time. `;
  return h(
    "p",
    { class: "notice" },
    text,
    h(
      "button",
      { type: "button", onclick: () => attempt(other) },
      last ? "Undo all attempts instead…" : "Undo only the last attempt…",
    ),
  );
}

function listed(partitions, steps, emptied) {
  const body = steps
    .slice(0, MAX_LISTED)
    .map(([table, step]) => [
      table,
      step.partition || WHOLE,
      step.previous ?? "no batch",
      step.batch_id ?? "no batch, as before",
      moment(step.at),
      step.producer ? who(step.producer) : null,
    ]);
  const more = steps.length > MAX_LISTED ? `and ${number(steps.length - MAX_LISTED)} more. ` : "";
  const none = emptied ? `${counted(emptied, "partition")} will have no batch.` : "";
  return [
    rows(
      `${partitions} to roll back`,
      ["table", "partition", "from batch", "to batch", "published", "by"],
      body,
    ),
    more || none ? h("p", {}, more, none) : null,
  ];
}

function joined(texts, separator) {
  const more = texts.length > MAX_LISTED ? ` and ${number(texts.length - MAX_LISTED)} more` : "";
  return texts.slice(0, MAX_LISTED).join(separator) + more;
}
