// The metrics of a table: lines of a column over the partitions, and what its checks found.

import { get } from "../api.js";
import { address, h, named } from "../dom.js";
import { chart } from "../widgets/chart.js";
import { counted, WHOLE } from "../words.js";

const TITLES = {
  rows: "rows",
  nulls: "nulls, part of the rows",
  distinct: "distinct values",
  mean: "mean",
  sum: "sum",
  least: "least",
  greatest: "greatest",
};

// Returns a section that fills itself, as the view around it is shown first.
export function metrics(name) {
  const section = h("section", { class: "metrics", "aria-label": "Metrics", "aria-busy": true });
  const chosen = { column: "", like: "", read: false };
  const show = async () => {
    section.setAttribute("aria-busy", "true");
    try {
      const found = await get(`tables/${named(name)}/metrics`, chosen);
      section.replaceChildren(h("h2", {}, "Metrics"), ...content(name, found, chosen, show));
    } catch (error) {
      if (error.name === "AbortError" || !section.isConnected) return;
      section.replaceChildren(h("h2", {}, "Metrics"), h("p", { class: "notice" }, error.message));
    } finally {
      section.setAttribute("aria-busy", "false");
    }
  };
  show();
  return section;
}

function content(name, found, chosen, show) {
  if (!found.partitions.length) return [h("p", { class: "empty" }, "No batch is current.")];
  const names = found.partitions.map((one, place) => one || found.batches[place]);
  const open = (place) => {
    location.hash = address("batch", name, found.partitions[place], found.batches[place]);
  };
  const choose = (label, options, member, value) =>
    h(
      "label",
      {},
      `${label} `,
      h(
        "select",
        {
          onchange: (event) => {
            chosen[member] = event.target.value;
            show().then(() => document.querySelector(`[name="${member}"]`)?.focus());
          },
          name: member,
        },
        options.map((one) => h("option", { value: one, selected: one === value }, one)),
      ),
    );
  const count = () => {
    chosen.read = true;
    show();
  };
  return [
    found.anomalies.length
      ? h(
          "ul",
          { class: "notice", "aria-label": "Unusual in the newest batch" },
          found.anomalies.map((one) => h("li", {}, `${one.partition || WHOLE}: ${one.text}`)),
        )
      : h("p", { class: "empty" }, "Nothing is unusual in the newest batch."),
    h(
      "div",
      { class: "choices" },
      choose("Column", found.columns, "column", found.column),
      found.series.length > 1
        ? choose("Partitions like", found.series, "like", chosen.like || found.series[0])
        : null,
      found.uncounted
        ? h(
            "button",
            { onclick: count },
            `Count distinct values of ${counted(found.uncounted, "batch")}`,
          )
        : null,
    ),
    h(
      "div",
      { class: "charts" },
      found.lines.map((line) =>
        chart(
          line.metric === "rows" ? "rows" : `${found.column}: ${TITLES[line.metric]}`,
          line,
          names,
          open,
        ),
      ),
    ),
    found.checks.length ? checks(name, found) : null,
  ].filter(Boolean);
}

function checks(name, found) {
  const cell = (one, place) => {
    const passed = one.passed[place];
    if (passed === null) return h("td", {}, h("span", { class: "result none" }, "·"));
    const state = passed ? "passed" : one.severity === "warn" ? "warned" : "failed";
    const label = `${found.partitions[place] || WHOLE}: ${state} ${one.details[place]}`.trim();
    const href = address("batch", name, found.partitions[place], found.batches[place]);
    const sign = { passed: "✓", warned: "!", failed: "✗" }[state];
    return h(
      "td",
      {},
      h("a", { href, class: `result ${state}`, title: label, "aria-label": label }, sign),
    );
  };
  return h(
    "div",
    { class: "wide", tabindex: 0, role: "group", "aria-label": "Results of checks" },
    h(
      "table",
      { class: "results" },
      h("caption", {}, "checks, from old to new"),
      h(
        "tbody",
        {},
        found.checks.map((one) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, one.name, one.severity === "warn" ? " (warn)" : ""),
            one.passed.map((_, place) => cell(one, place)),
          ),
        ),
      ),
    ),
  );
}
