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
  const inputs = one.inputs.flatMap((pin) => Object.entries(pin.batches).map(([key, id]) => h("li", {}, link(`${pin.table} ${key} ${id}`, "batch", pin.table, key, id))));
  const held = one.held_by.map((pin) => h("li", {}, `${pin.name}, since ${pin.at.slice(0, 10)}${pin.until ? ` until ${pin.until.slice(0, 10)}` : ""}`));
  return h("section", { class: "lineage", "aria-label": "lineage" },
    h("div", {}, h("h2", {}, "Made from"), inputs.length ? h("ul", {}, inputs) : h("p", { class: "empty" }, "no batches")),
    h("div", { class: "this" }, h("h2", {}, "This batch"), h("p", {}, `${one.table} ${one.partition} ${one.batch_id}`)),
    h("div", {}, h("h2", {}, "Pinned by"), held.length ? h("ul", {}, held) : h("p", { class: "empty" }, "nobody, durably")));
}

export async function diff(name, key, before, after) {
  const found = await get(`tables/${named(name)}/diff`, { partition: key, before, after });
  const columns = found.columns.map((one) => [
    one.name, change(one.type_before, one.type_after), change(one.before?.null_count, one.after?.null_count), span(one),
    change(rounded(one.mean_before), rounded(one.mean_after)), change(one.distinct_before, one.distinct_after),
  ]);
  const examples = found.examples.map((one) => [one.kind, values(one.before), values(one.after)]);
  return [
    h("h1", {}, `${name} ${key}`),
    h("p", { class: "now" }, found.identical ? "Both hold the same." : `Rows ${change(found.rows_before, found.rows_after)}: ${number(found.added)} added, ${number(found.removed)} removed.`),
    rows(`${before} → ${after}`, ["column", "type", "nulls", "range", "mean", "distinct"], columns),
    examples.length ? rows("some of the rows that differ", ["", "before", "after"], examples) : null,
  ];
}

const text = (value) => (value === null || value === undefined ? "–" : String(value));
const rounded = (value) => (typeof value === "number" ? Number(value.toPrecision(6)) : value);
const change = (old, now) => (text(old) === text(now) ? text(now) : `${text(old)} → ${text(now)}`);
const values = (row) => (row ? Object.entries(row).map(([name, value]) => `${name}=${text(value)}`).join(", ") : "–");

// Two bars on one scale: from the smallest to the greatest value before and after, with a mark at the mean.
function span(one) {
  const sides = [[one.before, one.mean_before], [one.after, one.mean_after]];
  const told = `${range(one.before)} → ${range(one.after)}`;
  const bounds = sides.flatMap(([side]) => [side?.minimum, side?.maximum]);
  if (!bounds.every((value) => typeof value === "number") || one.mean_before === null || one.mean_after === null) return told;
  const low = Math.min(...bounds);
  const width = Math.max(...bounds) - low || 1;
  const at = (value) => 2 + (96 * (value - low)) / width;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const draw = (tag, attributes) => {
    const shape = document.createElementNS(svg.namespaceURI, tag);
    for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, value);
    svg.append(shape);
  };
  for (const [name, value] of Object.entries({ viewBox: "0 0 100 22", class: "span", role: "img", "aria-label": told })) svg.setAttribute(name, value);
  sides.forEach(([side, mean], index) => {
    const y = 4 + 10 * index;
    draw("rect", { x: at(side.minimum), y, width: Math.max(1, at(side.maximum) - at(side.minimum)), height: 6, class: index ? "after" : "before" });
    draw("rect", { x: at(mean) - 0.75, y: y - 2, width: 1.5, height: 10, class: "mean" });
  });
  return h("span", { title: told }, svg);
}

const range = (side) => (side ? `${text(side.minimum)}…${text(side.maximum)}` : "–");
