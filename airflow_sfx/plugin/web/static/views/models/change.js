// The dialogs that change an alias of a model: promote and roll back.

import { get, post } from "../../api.js";
import { counted, h, modelPath, moment, table as rows, who } from "../../dom.js";
import { confirm } from "../../widgets/confirm.js";
import { NONE } from "../../words.js";
import { LATEST, metricsOf, PRODUCTION } from "./words.js";

const HEADINGS = ["time", "version", "metrics", "saved", "by"];
const GOLDEN =
  "Its golden rows are scored first: a version that answers otherwise than when it was saved is" +
  " not promoted. You can undo this by a rollback of the alias.";

// Opens the dialog that promotes a version. The alias can be another one, or a new one.
export async function promote(name, version) {
  const { aliases } = await get(modelPath(name), { limit: 1 });
  const current = new Map(aliases.map((one) => [one.alias, one.version]));
  const wanted = await detail(name, version);
  const place = h("div", { "aria-live": "polite" });
  const alias = h("input", {
    name: "alias",
    value: PRODUCTION,
    required: true,
    maxlength: 64,
    pattern: "[a-z0-9][a-z0-9_\\-]*",
    autocomplete: "off",
    list: "aliases",
    oninput: () => show(),
  });
  const show = async () => {
    const now = current.get(alias.value) ?? null;
    const old = now === version ? wanted : await tolerant(name, now);
    if ((current.get(alias.value) ?? null) === now) // else another alias was typed meanwhile
      place.replaceChildren(change(now, old, version, wanted));
  };
  await show();
  const card = missingParts(wanted.missing_card_parts);
  confirm({
    question: `Promote ${name}/${version}?`,
    verb: "Promote",
    details: [
      h("label", {}, "Alias ", alias),
      h(
        "datalist",
        { id: "aliases" },
        [...current.keys()].filter((one) => one !== LATEST).map((one) => h("option", { value: one })),
      ),
      place,
      trainedOnWhatEnded(wanted),
      card.fields,
    ],
    note: GOLDEN,
    act: (reason) =>
      post(`${modelPath(name)}/promote`, {
        version,
        alias: alias.value,
        expected: current.get(alias.value) ?? null,
        reason,
        ...card.given(),
      }),
    success: `Promoted: ${version}.`,
  });
}

// Asks for the parts of the card that are not stated. A person may promote without them, which is
// recorded.
function missingParts(titles) {
  const texts = Object.keys(titles).map((part) =>
    h("textarea", { name: part, rows: 2, maxlength: 10000, required: true }),
  );
  const without = h("input", {
    type: "checkbox",
    name: "without",
    onchange: () => {
      for (const one of texts) one.required = !without.checked;
    },
  });
  const given = () => ({
    card: Object.fromEntries(
      texts.filter((one) => one.value.trim()).map((one) => [one.name, one.value]),
    ),
    complete: !without.checked,
  });
  if (!texts.length) return { fields: null, given };
  const fields = h(
    "fieldset",
    {},
    h("legend", {}, "Its card does not state"),
    texts.map((one) => h("label", {}, titles[one.name], one)),
    h("label", { class: "choice" }, without, " Promote it without what is left empty"),
  );
  return { fields, given };
}

// Opens the dialog that rolls an alias back to a version. The current version may be damaged: that
// must not prevent a rollback.
export async function rollBackAlias(name, alias, current, to) {
  const [old, wanted] = await Promise.all([tolerant(name, current), detail(name, to)]);
  confirm({
    question: `Roll back ${name}@${alias}?`,
    verb: "Roll back",
    details: [change(current, old, to, wanted), trainedOnWhatEnded(wanted)],
    act: (reason) =>
      post(`${modelPath(name)}/rollback`, { alias, to, expected: current, reason }),
    success: `Rolled back: ${name}@${alias} is ${to}.`,
  });
}

const detail = (name, version) => get(`${modelPath(name)}/version`, { version });

const tolerant = (name, version) =>
  version ? detail(name, version).catch((error) => ({ problem: error.message })) : null;

function change(now, old, then, wanted) {
  const described = (version, one) =>
    one?.at
      ? [version, metricsOf(one.metrics), moment(one.at), who(one.producer)]
      : [version ?? "no version", NONE, NONE, NONE];
  return h(
    "div",
    {},
    rows("version of the alias", HEADINGS, [
      ["now", ...described(now, old)],
      ["then", ...described(then, wanted)],
    ]),
    old?.problem
      ? h("p", { class: "notice" }, `The current version cannot be read: ${old.problem}`)
      : null,
  );
}

// Says that batches which a version was trained on are no longer current.
function trainedOnWhatEnded(wanted) {
  const ended = wanted.inputs.flatMap((one) =>
    one.batches.filter((batch) => ["rolled back", "erased", "dropped"].includes(batch.state)),
  );
  if (!ended.length) return null;
  const first = ended[0];
  const more = ended.length > 1 ? ` and ${counted(ended.length - 1, "other batch")}` : "";
  return h(
    "p",
    { class: "notice" },
    `It was trained on ${first.table} ${first.partition} ${first.batch_id}${more}, which`,
    ` ${ended.length > 1 ? "were rolled back, erased or dropped" : `was ${first.state}`} since.`,
  );
}
