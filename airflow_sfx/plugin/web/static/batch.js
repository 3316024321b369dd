// A batch: what it holds and where it comes from; and two batches side by side.

import { get } from "./api.js";
import { h, link, moment, number, size, table as rows, who } from "./dom.js";
import { named } from "./tables.js";

export async function batch(name, key, id) {
  const one = await get(`tables/${named(name)}/batch`, { partition: key, batch_id: id });
  const state = one.current ? "current" : one.staged ? "staged" : "replaced or rolled back";
  const facts = [["state", state], ["rows", number(one.rows)], ["size", size(one.bytes)], ["written", moment(one.created_at)], ["by", who(one.producer)]];
  if (one.replaced) facts.push(["replaced", link(one.replaced, "batch", name, key, one.replaced)]);
  const columns = one.columns.map((column) => {
    const figures = one.statistics[column.name] ?? {};
    return [column.name, column.type, number(figures.null_count), text(figures.minimum), text(figures.maximum)];
  });
  return [
    h("h1", {}, `${name} ${key} ${id}`),
    h("dl", { class: "facts" }, facts.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value)))),
    one.replaced ? h("p", {}, link(`Compare with ${one.replaced}`, "diff", name, key, one.replaced, id)) : null,
    one.checks.length ? rows("checks before publishing", ["check", "", "what was found"], one.checks.map((check) => [check.name, check.passed ? "passed" : "failed", check.detail])) : null,
    lineage(one),
    rows("columns", ["column", "type", "#nulls", "smallest", "greatest"], columns),
    rows("files", ["file", "#rows", "#size"], one.files.map((file) => [file.path, number(file.rows), size(file.size)])),
  ];
}

function lineage(one) {
  const batches = (pin, ...more) => Object.entries(pin.batches).map(([key, id]) => h("li", {}, link(`${pin.table} ${key} ${id}`, "batch", pin.table, key, id), ...more));
  const inputs = one.inputs.flatMap((pin) => batches(pin));
  const readers = one.read_by.flatMap((pin) => batches(pin, ", by ", who(pin.producer)));
  const held = one.held_by.map((pin) => h("li", {}, `${pin.name}, since ${pin.at.slice(0, 10)}${pin.until ? ` until ${pin.until.slice(0, 10)}` : ""}`));
  return h("section", { class: "lineage", "aria-label": "lineage" },
    h("div", {}, h("h2", {}, "Made from"), inputs.length ? h("ul", {}, inputs) : h("p", { class: "empty" }, "no batches")),
    h("div", { class: "this" }, h("h2", {}, "This batch"), h("p", {}, `${one.table} ${one.partition} ${one.batch_id}`),
      h("h2", {}, "Pinned by"), held.length ? h("ul", {}, held) : h("p", { class: "empty" }, "nobody, durably")),
    h("div", {}, h("h2", {}, "Read by"), readers.length ? h("ul", {}, readers) : h("p", { class: "empty" }, "no batch that is known")));
}

export async function diff(name, key, before, after) {
  const found = await get(`tables/${named(name)}/diff`, { partition: key, before, after });
  const columns = found.columns.map((one) => [
    one.name, change(one.type_before, one.type_after), change(one.before?.null_count, one.after?.null_count), change(range(one.before), range(one.after)),
    change(rounded(one.mean_before), rounded(one.mean_after)), change(one.distinct_before, one.distinct_after), spread(one.distribution),
  ]);
  const examples = found.examples.map((one) => [one.kind, values(one.before), values(one.after)]);
  return [
    h("h1", {}, `${name} ${key}`),
    h("p", { class: "now" }, found.identical ? "Both hold the same." : `Rows ${change(found.rows_before, found.rows_after)}: ${number(found.added)} added, ${number(found.removed)} removed.`),
    rows(`${before} → ${after}`, ["column", "type", "nulls", "range", "mean", "distinct", "before above, after below"], columns),
    examples.length ? rows("some of the rows that differ", ["", "before", "after"], examples) : null,
  ];
}

const text = (value) => (value === null || value === undefined ? "–" : String(value));
const rounded = (value) => (typeof value === "number" ? Number(value.toPrecision(6)) : value);
const change = (old, now) => (text(old) === text(now) ? text(now) : `${text(old)} → ${text(now)}`);
const values = (row) => (row ? Object.entries(row).map(([name, value]) => `${name}=${text(value)}`).join(", ") : "–");

// A bar a bin: before above the line, after below it, each side as shares of its own rows.
function spread(one) {
  if (!one) return null;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const draw = (tag, attributes, ...inner) => {
    const shape = document.createElementNS(svg.namespaceURI, tag);
    for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, value);
    shape.append(...inner);
    return shape;
  };
  const told = one.bins.map((bin, index) => `${bin}: ${one.before[index]} → ${one.after[index]}`);
  for (const [name, value] of Object.entries({ viewBox: "0 0 120 41", class: "spread", role: "img", "aria-label": told.join(", ") })) svg.setAttribute(name, value);
  const width = 120 / one.bins.length;
  const shares = [one.before, one.after].map((counts) => counts.map((count) => count / (counts.reduce((sum, n) => sum + n, 0) || 1)));
  const most = Math.max(...shares.flat()) || 1;
  one.bins.forEach((bin, index) => {
    shares.forEach((side, after) => {
      const height = side[index] ? Math.max(1, (19 * side[index]) / most) : 0;
      const place = { x: index * width + width * 0.1, width: width * 0.8, y: after ? 21 : 20 - height, height, class: after ? "after" : "before" };
      svg.append(draw("rect", place, draw("title", {}, told[index])));
    });
  });
  svg.append(draw("line", { x1: 0, x2: 120, y1: 20.5, y2: 20.5, class: "line" }));
  return svg;
}

const range = (side) => (side ? `${text(side.minimum)}…${text(side.maximum)}` : "–");
