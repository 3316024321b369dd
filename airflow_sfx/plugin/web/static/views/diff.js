// Two batches of a partition side by side.

import { get } from "../api.js";
import { h, named, number, svg, table as rows, text } from "../dom.js";
import { NONE } from "../words.js";

const HEADINGS = [
  "column",
  "type",
  "nulls",
  "range",
  "mean",
  "distinct",
  "before above, after below",
];

export async function diff(name, key, before, after) {
  const found = await get(`tables/${named(name)}/diff`, { partition: key, before, after });
  const columns = found.columns.map((one) => [
    change(one.name_before ?? one.name, one.name),
    change(type(one.type_before, one.meaning_before), type(one.type_after, one.meaning_after)),
    change(one.before?.null_count, one.after?.null_count),
    change(range(one.before), range(one.after)),
    change(mean(one.mean_before), mean(one.mean_after)),
    change(one.distinct_before, one.distinct_after),
    distribution(one.distribution),
  ]);
  const examples = found.examples.map((one) => [one.kind, values(one.before), values(one.after)]);
  const counts = `${number(found.added)} added, ${number(found.removed)} removed`;
  const frame = `Frame ${change(found.frame_before || NONE, found.frame_after || NONE)}`;
  return [
    h("h1", {}, `${name} ${key}`),
    h(
      "p",
      { class: "now" },
      found.identical
        ? "The batches are identical."
        : `Rows ${change(found.rows_before, found.rows_after)}: ${counts}.`,
    ),
    found.frame_before === found.frame_after ? null : h("p", {}, frame),
    rows(`${before} → ${after}`, HEADINGS, columns),
    examples.length
      ? rows("examples of rows that differ", ["difference", "before", "after"], examples)
      : null,
  ];
}

const mean = (value) => (typeof value === "number" ? number(value) : value);
const change = (old, now) => (text(old) === text(now) ? text(now) : `${text(old)} → ${text(now)}`);
const values = (row) =>
  row
    ? Object.entries(row)
        .map(([name, value]) => `${name}=${text(value)}`)
        .join(", ")
    : NONE;
const type = (hive, meaning) => (meaning ? `${hive} (${meaning})` : hive);
const range = (side) => (side ? `${text(side.minimum)}…${text(side.maximum)}` : NONE);

// One bar per bin: before above the line, after below it, each side as shares of its own rows.
function distribution(one) {
  if (!one) return null;
  const labels = one.bins.map((bin, index) => `${bin}: ${one.before[index]} → ${one.after[index]}`);
  const drawing = svg("svg", {
    viewBox: "0 0 120 41",
    class: "distribution",
    role: "img",
    "aria-label": labels.join(", "),
  });
  const width = 120 / one.bins.length;
  const shares = [one.before, one.after].map((counts) =>
    counts.map((count) => count / (counts.reduce((sum, n) => sum + n, 0) || 1)),
  );
  const most = Math.max(...shares.flat()) || 1;
  one.bins.forEach((bin, index) => {
    shares.forEach((side, after) => {
      const height = side[index] ? Math.max(1, (19 * side[index]) / most) : 0;
      const bar = {
        x: index * width + width * 0.1,
        y: after ? 21 : 20 - height,
        width: width * 0.8,
        height,
        class: after ? "after" : "before",
      };
      drawing.append(svg("rect", bar, svg("title", {}, labels[index])));
    });
  });
  drawing.append(svg("line", { x1: 0, x2: 120, y1: 20.5, y2: 20.5, class: "line" }));
  return drawing;
}
