// The history of a partition, with its staged batches, rollback, publish and discard.

import { get } from "../api.js";
import { h, link, moment, named, number, operation, size, table as rows, who } from "../dom.js";
import { announceButton } from "../widgets/announce.js";
import { rollBack } from "../widgets/change.js";
import { attempt } from "../widgets/confirm.js";
import { stagedNotice } from "../widgets/staged.js";
import { ofPartition, staleNotice, stalePill, whenStaleIsKnown } from "../widgets/stale.js";
import { why } from "../words.js";
import { metrics } from "./metrics.js";

const PAGE = "50";
const HEADINGS = ["change", "batch", "#rows", "#size", "when", "who", "why", "actions"];

export async function partition(name, key = "", before = "") {
  const path = `tables/${named(name)}`;
  const failed = (error) => ({ error });
  const [history, now, waiting] = await Promise.all([
    get(`${path}/history`, { partition: key, limit: PAGE, before: before || null }).catch(failed),
    get(`${path}/partition`, { partition: key }).catch(failed),
    get(`${path}/staged`, { partition: key }).catch(failed),
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
    why(one.reason, one.retired, one.discarded),
    actions(name, key, one, current, history),
  ]);
  const stale = h("div", {});
  const marks = h("span", {});
  if (current)
    whenStaleIsKnown(stale, ofPartition(name, key), ({ batches: [found] }) => {
      if (found?.batch_id !== current) return;
      marks.replaceChildren(stalePill(found));
      stale.replaceChildren(staleNotice(found));
    });
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
      marks,
      current ? [" ", announceButton(name, [key], "Announce…")] : null,
    ),
    stale,
    (waiting.batches ?? []).map((one) => stagedNotice(name, one)),
    waiting.error ? h("p", { class: "notice" }, `Staged batches: ${waiting.error.message}`) : null,
    body.length
      ? rows("newest first", HEADINGS, body)
      : h("p", { class: "empty" }, "This partition has no history."),
    h(
      "p",
      { class: "paging" },
      before ? link("Newest changes", "partition", name, key) : null,
      history.more
        ? link("Older changes", "partition", name, key, String(changes.at(-1).version))
        : null,
    ),
    key ? null : metrics(name),
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

function actions(name, key, one, current, history) {
  const available = (id) =>
    id && (history.replaced[id] ?? (history.retired.includes(id) ? null : id));
  const [after, before] = [available(one.batch_id), available(one.previous)];
  const found = [];
  if (after && before && after !== before)
    found.push(link("Compare", "diff", name, key, before, after));
  if (after && after !== current) {
    const rollback = () => attempt(() => rollBack(name, key, current, after));
    found.push(h("button", { onclick: rollback }, "Roll back to this…"));
  }
  found.push(link("Commit", "commit", name, one.commit));
  return h("span", { class: "actions" }, found);
}
