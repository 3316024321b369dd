// A model: its aliases, its metrics over the versions as lines, and its versions.

import { get } from "../../api.js";
import { address, h, link, modelPath, moment, paging, table as rows, who } from "../../dom.js";
import { chart } from "../../widgets/chart.js";
import { attempt } from "../../widgets/confirm.js";
import { promote } from "./change.js";
import { LATEST, metricsOf, PRODUCTION } from "./words.js";

const PAGE = 100;
const ALIASES = ["alias", "version", "since", "who", "why", "actions"];
const VERSIONS = ["version", "aliases", "metrics", "saved", "who", "why", "actions"];
const OF_VERSIONS = { of: "version", opens: "version" };

export async function model(name, offset = "0") {
  const found = await get(modelPath(name), { limit: PAGE, offset });
  const body = found.aliases.map((one) => [
    link(one.alias, "alias", name, one.alias),
    link(one.version, "version", name, one.version),
    moment(one.at),
    who(one.producer),
    one.reason,
    h("span", { class: "actions" }, link("History, rollback", "alias", name, one.alias)),
  ]);
  const to = (at) => address("model", name, at);
  return [
    h("h1", {}, name),
    rows("aliases", ALIASES, body),
    choice(name, found),
    lines(name, found.versions),
    rows("versions, newest first", VERSIONS, found.versions.map((one) => row(name, one, found))),
    paging(null, Number(offset), PAGE, to, ["Newer", "Older"], found.more),
  ];
}

function row(name, one, found) {
  const { version } = one;
  const current = found.aliases.find((entry) => entry.alias === PRODUCTION)?.version ?? null;
  const before = current ?? found.versions[found.versions.indexOf(one) + 1]?.version;
  return [
    link(version, "version", name, version),
    h("span", { class: "states" }, one.aliases.map((alias) => h("span", { class: "state" }, alias))),
    metricsOf(one.metrics),
    moment(one.at),
    who(one.producer),
    one.reason,
    h(
      "span",
      { class: "actions" },
      before && before !== version ? link("Compare", "compare", name, before, version) : null,
      version === current
        ? null
        : h("button", { onclick: () => attempt(() => promote(name, version)) }, "Promote…"),
    ),
  ];
}

// Two versions to compare: by default what is in production and the one saved last.
function choice(name, { versions, aliases }) {
  if (versions.length < 2) return null;
  const of = (alias) => aliases.find((one) => one.alias === alias)?.version;
  const chosen = [of(PRODUCTION) ?? versions[1].version, of(LATEST) ?? versions[0].version];
  if (chosen[0] === chosen[1]) chosen[0] = versions.find((one) => one.version !== chosen[1]).version;
  const select = (label, place) =>
    h(
      "label",
      {},
      `${label} `,
      h(
        "select",
        { name: label },
        versions.map((one) =>
          h(
            "option",
            { value: one.version, selected: one.version === chosen[place] },
            [one.version, ...one.aliases].join(" "),
          ),
        ),
      ),
    );
  return h(
    "form",
    {
      class: "choices",
      onsubmit: (event) => {
        event.preventDefault();
        const given = new FormData(event.target);
        location.hash = address("compare", name, given.get("Compare"), given.get("with"));
      },
    },
    select("Compare", 0),
    select("with", 1),
    h("button", {}, "Compare"),
  );
}

// A line for each metric, from the oldest of these versions to the newest.
function lines(name, newestFirst) {
  const versions = newestFirst.toReversed();
  const names = versions.map((one) => one.version);
  const metrics = [...new Set(versions.flatMap((one) => Object.keys(one.metrics)))].sort();
  const open = (place) => {
    location.hash = address("version", name, names[place]);
  };
  return h(
    "section",
    { class: "metrics", "aria-label": "Metrics" },
    h("h2", {}, "Metrics over the versions"),
    metrics.length
      ? h(
          "div",
          { class: "charts" },
          metrics.map((metric) =>
            chart(
              metric,
              {
                values: versions.map((one) => one.metrics[metric] ?? null),
                notes: versions.map((one) => one.aliases.join(", ")),
              },
              names,
              open,
              OF_VERSIONS,
            ),
          ),
        )
      : h("p", { class: "empty" }, "The versions were saved without metrics."),
  );
}
