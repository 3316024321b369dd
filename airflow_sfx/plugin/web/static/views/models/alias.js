// The history of an alias of a model: which versions it had, with rollback.

import { get } from "../../api.js";
import {
  address,
  h,
  link,
  modelPath,
  moment,
  operation,
  paging,
  table as rows,
  who,
} from "../../dom.js";
import { attempt } from "../../widgets/confirm.js";
import { rollBackAlias } from "./change.js";
import { LATEST } from "./words.js";

const PAGE = 50;
const HEADINGS = ["change", "version", "when", "who", "why", "actions"];

export async function alias(name, one, offset = "0") {
  const query = { alias: one, limit: PAGE, offset };
  const found = await get(`${modelPath(name)}/history`, query);
  const body = found.changes.map((change) => [
    operation(change.operation),
    change.batch_id ? link(change.batch_id, "version", name, change.batch_id) : "no version",
    moment(change.at),
    who(change.producer),
    change.reason,
    actions(name, one, change, found.current),
  ]);
  const to = (at) => address("alias", name, one, at);
  return [
    h("h1", {}, `${name}@${one}`),
    h(
      "p",
      { class: "now" },
      found.current
        ? ["Current: ", h("strong", {}, link(found.current, "version", name, found.current))]
        : "It has no version.",
    ),
    one === LATEST ? h("p", {}, "Each save makes its version the latest one.") : null,
    rows("newest first", HEADINGS, body),
    paging(null, Number(offset), PAGE, to, ["Newer", "Older"], found.more),
  ];
}

function actions(name, one, { batch_id: version, previous }, current) {
  const found = [];
  if (version && previous && version !== previous)
    found.push(link("Compare", "compare", name, previous, version));
  if (version && version !== current) {
    const rollback = () => attempt(() => rollBackAlias(name, one, current, version));
    found.push(h("button", { onclick: rollback }, "Roll back to this…"));
  }
  return h("span", { class: "actions" }, found);
}
