// The history of a partition, with rollback and publish.

import { get, post } from "../api.js";
import { attempt, confirm } from "../widgets/confirm.js";
import { h, link, moment, named, number, operation, size, table as rows, who } from "../dom.js";
import { NONE } from "../words.js";

const PAGE = "50";
const MAX_DOWNSTREAM = 20;
const HEADINGS = ["change", "batch", "#rows", "#size", "when", "who", "why", "actions"];

export async function partition(name, key = "", before = "") {
  const path = `tables/${named(name)}`;
  const failed = (error) => ({ error });
  const [history, now] = await Promise.all([
    get(`${path}/history`, { partition: key, limit: PAGE, before: before || null }).catch(failed),
    get(`${path}/partition`, { partition: key }).catch(failed),
  ]);
  if (history.error && (now.error || history.error.kind !== "PartitionNotFound"))
    throw history.error;
  const current = history.error ? now.batch_id : history.current;
  const changes = history.changes ?? [];
  const body = changes.map((one) => [
    operation(one.operation),
    batchOf(name, key, one, history),
    number(one.rows),
    size(one.bytes),
    moment(one.at),
    who(one.producer),
    why(one),
    actions(name, key, one, current, history),
  ]);
  const state =
    now.state && now.state !== "current"
      ? h("span", { class: `state ${now.state.replaceAll(" ", "-")}` }, now.state)
      : null;
  return [
    h("h1", {}, `${name} ${key}`),
    h(
      "p",
      { class: "now" },
      current ? "Current: " : "No batch is current.",
      current ? h("strong", {}, current) : null,
      state,
    ),
    now.staged ? staged(name, key, now, current) : null,
    body.length
      ? rows("newest first", HEADINGS, body)
      : h("p", { class: "empty" }, "This partition has no history."),
    h(
      "p",
      { class: "paging" },
      before ? link("Newest changes", "partition", name, key) : null,
      history.more
        ? link("Older changes", "partition", name, key, String(changes.at(-1).sequence))
        : null,
    ),
  ];
}

function batchOf(name, key, one, history) {
  if (!one.batch_id) return "no batch";
  const erased = history.replaced[one.batch_id];
  if (erased)
    return h(
      "span",
      {},
      `${one.batch_id}, rows erased: `,
      link(erased, "batch", name, key, erased),
    );
  const shown = link(one.batch_id, "batch", name, key, one.batch_id);
  return history.retired.includes(one.batch_id)
    ? h("span", {}, shown, h("span", { class: "state" }, "expired"))
    : shown;
}

const why = (one) =>
  [one.reason, one.retired.length ? `expires ${one.retired.join(", ")}` : ""]
    .filter(Boolean)
    .join("; ");

function staged(name, key, now, current) {
  const failed = now.state === "failed check" ? " A check failed." : "";
  const publish = () => attempt(() => change(name, key, current, now.staged, "publish"));
  return h(
    "p",
    { class: "notice" },
    "Staged: ",
    link(now.staged, "batch", name, key, now.staged),
    `.${failed} `,
    h("button", { onclick: publish }, "Publish…"),
  );
}

function actions(name, key, one, current, history) {
  const available = (id) =>
    id && (history.replaced[id] ?? (history.retired.includes(id) ? null : id));
  const [after, before] = [available(one.batch_id), available(one.previous)];
  const found = [];
  if (after && before && after !== before)
    found.push(link("Compare", "diff", name, key, before, after));
  if (after && after !== current) {
    const rollback = () => attempt(() => change(name, key, current, after, "rollback"));
    found.push(h("button", { onclick: rollback }, "Roll back to this…"));
  }
  found.push(link("Commit", "commit", name, one.commit));
  return h("span", { class: "actions" }, found);
}

// Asks for confirmation, and rolls back or publishes. The current batch may be damaged: that must
// not prevent a rollback.
async function change(name, key, current, to, what) {
  const path = `tables/${named(name)}`;
  const publishing = what === "publish";
  const detail = (batch_id) => get(`${path}/batch`, { partition: key, batch_id });
  const [old, wanted] = await Promise.all([
    current ? detail(current).catch((error) => ({ error })) : null,
    detail(to),
  ]);
  const described = (id, one) =>
    one && !one.error
      ? [id, number(one.rows), size(one.bytes), moment(one.created_at), who(one.producer)]
      : [id ?? "no batch", NONE, NONE, NONE, NONE];
  const request = {
    partition: key,
    expected: current,
    ...(publishing ? { batch_id: to } : { to }),
  };
  confirm({
    question: publishing
      ? `Publish the staged batch of ${name} ${key}?`
      : `Roll back ${name} ${key}?`,
    verb: publishing ? "Publish" : "Roll back",
    details: [
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
      old && !old.error ? [columns(old, wanted), holds(old), downstream(old)] : null,
    ],
    act: (reason) => post(`${path}/${what}`, { ...request, reason }),
    success: publishing ? `Published: ${to} is current.` : `Rolled back: ${to} is current.`,
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

function downstream(old) {
  const items = old.read_by.flatMap((one) =>
    Object.entries(one.batches).map(([key, id]) =>
      h(
        "li",
        {},
        link(`${one.table} ${key} ${id}`, "batch", one.table, key, id),
        ", by ",
        who(one.producer),
      ),
    ),
  );
  if (!items.length) return h("p", {}, "The current batch has no known downstream batches.");
  const more =
    items.length > MAX_DOWNSTREAM ? h("li", {}, `and ${items.length - MAX_DOWNSTREAM} more`) : null;
  return [
    h("p", {}, "Downstream batches of the current batch, which are not rolled back:"),
    h("ul", {}, items.slice(0, MAX_DOWNSTREAM), more),
  ];
}
