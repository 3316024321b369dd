// The lineage of a batch as a graph: its inputs, the batch, its downstream batches and holds.

import { address, h, svg } from "../dom.js";

const [WIDTH, HEIGHT, GAP, COLUMN] = [230, 52, 12, 330];
const MAX_NODES = 20;

export function lineage(one) {
  const batches = (pin, more) =>
    Object.entries(pin.batches).map(([key, id]) => ({
      lines: [pin.table, `${key} ${id}`.trim(), more],
      href: address("batch", pin.table, key, id),
    }));
  const inputs = shortened(one.inputs.flatMap((pin) => batches(pin, "")));
  const downstream = one.read_by.flatMap((pin) =>
    batches(pin, `by ${pin.producer.dag_id ?? pin.producer.user ?? "unknown"}`),
  );
  const holds = one.held_by.map((hold) => ({
    kind: "held",
    lines: [
      "held by",
      hold.name,
      hold.until ? `until ${hold.until.slice(0, 10)}` : "until released",
    ],
  }));
  const outputs = shortened([...downstream, ...holds]);
  const self = {
    kind: "this",
    lines: [
      one.table,
      `${one.partition} ${one.batch_id}`.trim(),
      one.current ? "current" : one.staged ? "staged" : "",
    ],
  };
  const most = Math.max(inputs.length, outputs.length, 1);
  const height = most * (HEIGHT + GAP) + GAP;
  const drawing = svg("svg", {
    viewBox: `0 0 ${2 * COLUMN + WIDTH + 4} ${height}`,
    class: "graph",
    width: 2 * COLUMN + WIDTH + 4,
    height,
  });
  const middle = placed([self], 1, height)[0];
  for (const [column, nodes] of [
    [0, placed(inputs, 0, height)],
    [2, placed(outputs, 2, height)],
  ]) {
    for (const node of nodes) drawing.append(column ? edge(middle, node) : edge(node, middle));
    drawing.append(...nodes.map(box));
  }
  drawing.append(box(middle));
  const none = [
    inputs.length ? "" : "no inputs",
    downstream.length ? "" : "no known downstream batches",
    holds.length ? "" : "no holds",
  ];
  return h(
    "section",
    { class: "lineage", "aria-label": "lineage" },
    h("h2", {}, "Inputs → this batch → downstream batches and holds"),
    h("div", { class: "wide", tabindex: 0, role: "group", "aria-label": "graph" }, drawing),
    h("p", { class: "empty" }, none.filter(Boolean).join(", ")),
  );
}

const shortened = (nodes) =>
  nodes.length > MAX_NODES
    ? [
        ...nodes.slice(0, MAX_NODES - 1),
        { lines: [`and ${nodes.length - MAX_NODES + 1} more`, "", ""] },
      ]
    : nodes;

function placed(nodes, column, height) {
  const top = (height - nodes.length * (HEIGHT + GAP) + GAP) / 2;
  return nodes.map((node, index) => ({
    ...node,
    x: column * COLUMN + 2,
    y: top + index * (HEIGHT + GAP),
  }));
}

function box(node) {
  const group = svg(
    "g",
    { class: `node ${node.kind ?? ""}` },
    svg("rect", { x: node.x, y: node.y, width: WIDTH, height: HEIGHT, rx: 6 }),
  );
  node.lines.forEach((line, index) =>
    group.append(
      svg(
        "text",
        { x: node.x + 9, y: node.y + 16 + index * 15, class: index ? "" : "first" },
        fitted(line),
      ),
    ),
  );
  group.append(svg("title", {}, node.lines.filter(Boolean).join(" ")));
  if (!node.href) return group;
  return svg("a", { href: node.href, "aria-label": node.lines.filter(Boolean).join(" ") }, group);
}

const fitted = (line) => (line.length > 34 ? `${line.slice(0, 15)}…${line.slice(-18)}` : line);

function edge(from, to) {
  const [x1, y1, x2, y2] = [from.x + WIDTH, from.y + HEIGHT / 2, to.x, to.y + HEIGHT / 2];
  const bend = (x1 + x2) / 2;
  return svg(
    "g",
    { class: "edge" },
    svg("path", { d: `M ${x1} ${y1} C ${bend} ${y1}, ${bend} ${y2}, ${x2 - 6} ${y2}` }),
    svg("path", { class: "tip", d: `M ${x2} ${y2} l -8 -4 v 8 z` }),
  );
}
