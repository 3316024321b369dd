// A version of a model: its facts, the batches that it was trained on, and its card.

import { get } from "../../api.js";
import {
  counted,
  h,
  link,
  modelPath,
  moment,
  number,
  size,
  table as rows,
  who,
} from "../../dom.js";
import { attempt } from "../../widgets/confirm.js";
import { markdown } from "../../widgets/markdown.js";
import { promote } from "./change.js";
import { PRODUCTION } from "./words.js";

const BATCHES = ["role", "table", "partition", "batch", "state", "since", "who", "why"];

export async function version(name, id) {
  const one = await get(`${modelPath(name)}/version`, { version: id });
  const { record } = one;
  const facts = [
    ["aliases", one.aliases.map((alias) => link(alias, "alias", name, alias))],
    ["predicts", record ? [record.task, record.target].filter(Boolean).join(" of ") : null],
    ["library", record?.flavour],
    ["scored by", record?.scorer],
    ["size", size(one.bytes)],
    ["saved", moment(one.at)],
    ["by", who(one.producer)],
    ["why", one.reason || null],
    ...Object.entries(one.metrics).map(([metric, value]) => [metric, number(value)]),
  ].filter(([, value]) => value && value.length !== 0);
  const needs = record?.trust.length ? `To load its native model, trust ${record.trust.join(", ")}. ` : "";
  return [
    h("h1", {}, `${name} ${id}`),
    h(
      "dl",
      { class: "facts" },
      facts.map(([term, value]) =>
        h("div", {}, h("dt", {}, term), h("dd", {}, [value].flat().map(spaced))),
      ),
    ),
    h(
      "p",
      { class: "actions start" },
      one.aliases.includes(PRODUCTION)
        ? null
        : h("button", { onclick: () => attempt(() => promote(name, id)) }, "Promote…"),
      link("All versions", "model", name),
    ),
    one.problem ? h("p", { class: "notice" }, `Its artifact was not read: ${one.problem}`) : null,
    record?.note || needs ? h("p", { class: "notice quiet" }, needs, record.note) : null,
    trainedOn(one.inputs),
    one.card
      ? h("section", { class: "card", "aria-label": "Card" }, h("h2", {}, "Card"), markdown(one.card))
      : null,
  ];
}

const spaced = (value, place) => (place ? [" ", value] : value);

// The batches by role, with links; those that are no longer current come first.
function trainedOn(inputs) {
  const body = inputs.flatMap((one) =>
    one.batches.map((batch) => [
      one.role || null,
      link(batch.table, "table", batch.table),
      link(batch.partition || "(whole table)", "partition", batch.table, batch.partition),
      link(batch.batch_id, "batch", batch.table, batch.partition, batch.batch_id),
      h("span", { class: `state ${batch.state.replaceAll(" ", "-")}` }, batch.state),
      moment(batch.at),
      batch.producer ? who(batch.producer) : null,
      batch.reason,
    ]),
  );
  if (!body.length) return h("p", { class: "empty" }, "It names no batches.");
  const totals = inputs.map((one) => {
    const more = one.total - one.batches.length;
    const batches = counted(one.total, "batch");
    const known = one.rows === null ? "" : ` of ${counted(one.rows, "row")}`;
    return `${one.role || "inputs"}: ${batches}${known}${more > 0 ? `, ${number(more)} not listed` : ""}`;
  });
  return [rows("trained on", BATCHES, body), h("p", { class: "empty" }, totals.join("; "))];
}
