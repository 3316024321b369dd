// The dialogs that change a partition: roll back, publish and discard.

import { get, post } from "../api.js";
import { h, moment, named, number, size, table as rows, who } from "../dom.js";
import { NONE } from "../words.js";
import { confirm } from "./confirm.js";
import { failures } from "./checks.js";
import { willBecomeStale } from "./downstream.js";

const VERBS = { rollback: "Roll back", publish: "Publish", discard: "Discard" };
const NOTES = {
  overtaken: (one) => `This replaces ${one.current}, which was written later.`,
  discarded: () => "This batch was discarded.",
};

// Opens the dialog that rolls a partition back to a batch. The current batch may be damaged: that
// must not prevent a rollback.
export async function rollBack(name, key, current, to) {
  await replace(name, key, current, to, "rollback", { to }, `Roll back ${name} ${key}?`, null);
}

// Opens the dialog that publishes a staged batch; one that was overtaken or discarded is published
// all the same if the person confirms.
export async function publish(name, one) {
  const { partition: key, batch_id, state, current } = one;
  const force = state in NOTES;
  const question = `Publish the staged batch of ${name} ${key}?`;
  const note = force ? h("p", { class: "notice" }, NOTES[state](one)) : null;
  await replace(name, key, current, batch_id, "publish", { batch_id, force }, question, note);
}

// Opens the dialog that discards a staged batch.
export async function discard(name, { partition, batch_id, rows: count, bytes, at, failed }) {
  confirm({
    question: `Discard the staged batch of ${name} ${partition}?`,
    verb: VERBS.discard,
    details: [
      rows("staged batch", ["batch", "#rows", "#size", "written"], [
        [batch_id, number(count), size(bytes), moment(at)],
      ]),
      failures(failed),
    ],
    note: "No data is deleted. Until retention expires the batch, it can be published all the same.",
    act: (reason) => post(`tables/${named(name)}/discard`, { partition, batch_id, reason }),
    success: `Discarded: ${batch_id}.`,
  });
}

async function replace(name, key, current, to, what, body, question, note) {
  const path = `tables/${named(name)}`;
  const detail = (batch_id) => get(`${path}/batch`, { partition: key, batch_id });
  const [old, wanted] = await Promise.all([
    current ? detail(current).catch((error) => ({ error })) : null,
    detail(to),
  ]);
  const described = (id, one) =>
    one && !one.error
      ? [id, number(one.rows), size(one.bytes), moment(one.created_at), who(one.producer)]
      : [id ?? "no batch", NONE, NONE, NONE, NONE];
  confirm({
    question,
    verb: VERBS[what],
    details: [
      note,
      rows(
        "current batch",
        ["time", "batch", "#rows", "#size", "written", "by"],
        [
          ["now", ...described(current, old)],
          ["then", ...described(to, wanted)],
        ],
      ),
      old?.error
        ? h("p", { class: "notice" }, `The current batch cannot be read: ${old.error.message}`)
        : null,
      old && !old.error ? [columns(old, wanted), holds(old)] : null,
      current ? willBecomeStale(() => get(`${path}/downstream`, { partition: key, batch_id: current })) : null,
    ],
    act: (reason) =>
      post(`${path}/${what}`, { partition: key, expected: current, ...body, reason }),
    success: `${what === "publish" ? "Published" : "Rolled back"}: ${to} is current.`,
  });
}

function columns(old, wanted) {
  const list = (one) => one.columns.map((column) => `${column.name} ${column.type}`);
  const removed = list(old).filter((one) => !list(wanted).includes(one));
  const added = list(wanted).filter((one) => !list(old).includes(one));
  if (!removed.length && !added.length) return h("p", {}, "The columns stay the same.");
  return h(
    "p",
    {},
    removed.length ? `Columns removed: ${removed.join(", ")}. ` : "",
    added.length ? `Columns added: ${added.join(", ")}.` : "",
  );
}

function holds(old) {
  const names = old.held_by.map(
    (one) => `${one.name}${one.until ? ` until ${one.until.slice(0, 10)}` : ""}`,
  );
  return h(
    "p",
    {},
    names.length
      ? `Holds of the current batch, which stay: ${names.join(", ")}.`
      : "The current batch is not held.",
  );
}
