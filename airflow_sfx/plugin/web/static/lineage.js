// Where a batch comes from and where it went, as a graph: inputs, the batch, what was made from it, and who has pinned it.

import { address, h, svg } from "./dom.js";

const [WIDTH, HEIGHT, GAP, COLUMN] = [230, 52, 12, 330];
const MOST = 20;

export function lineage(one) {
  const batches = (pin, more) => Object.entries(pin.batches).map(([key, id]) => ({ lines: [pin.table, `${key} ${id}`.trim(), more], href: address("batch", pin.table, key, id) }));
  const inputs = shortened(one.inputs.flatMap((pin) => batches(pin, "")));
  const readers = one.read_by.flatMap((pin) => batches(pin, `by ${pin.producer.dag_id ?? pin.producer.user ?? "somebody"}`));
  const held = one.held_by.map((pin) => ({ kind: "held", lines: ["pinned by", pin.name, pin.until ? `until ${pin.until.slice(0, 10)}` : "for ever"] }));
  const outputs = shortened([...readers, ...held]);
  const here = { kind: "this", lines: [one.table, `${one.partition} ${one.batch_id}`.trim(), one.current ? "current" : one.staged ? "staged" : ""] };
  const most = Math.max(inputs.length, outputs.length, 1);
  const height = most * (HEIGHT + GAP) + GAP;
  const drawn = svg("svg", { viewBox: `0 0 ${2 * COLUMN + WIDTH + 4} ${height}`, class: "graph", width: 2 * COLUMN + WIDTH + 4, height });
  const middle = placed([here], 1, height)[0];
  for (const [column, nodes] of [[0, placed(inputs, 0, height)], [2, placed(outputs, 2, height)]]) {
    for (const node of nodes) drawn.append(column ? edge(middle, node) : edge(node, middle));
    drawn.append(...nodes.map(box));
  }
  drawn.append(box(middle));
  const none = [inputs.length ? "" : "made from no batches", readers.length ? "" : "no batch is known that was made from it", held.length ? "" : "nobody has pinned it durably"];
  return h("section", { class: "lineage", "aria-label": "lineage" }, h("h2", {}, "Made from → this batch → read and pinned by"),
    h("div", { class: "wide", tabindex: 0, role: "group", "aria-label": "graph" }, drawn),
    h("p", { class: "empty" }, none.filter(Boolean).join("; ")));
}

const shortened = (nodes) => (nodes.length > MOST ? [...nodes.slice(0, MOST - 1), { lines: [`and ${nodes.length - MOST + 1} more`, "", ""] }] : nodes);

function placed(nodes, column, height) {
  const top = (height - nodes.length * (HEIGHT + GAP) + GAP) / 2;
  return nodes.map((node, index) => ({ ...node, x: column * COLUMN + 2, y: top + index * (HEIGHT + GAP) }));
}

function box(node) {
  const group = svg("g", { class: `node ${node.kind ?? ""}` }, svg("rect", { x: node.x, y: node.y, width: WIDTH, height: HEIGHT, rx: 6 }));
  node.lines.forEach((line, index) => group.append(svg("text", { x: node.x + 9, y: node.y + 16 + index * 15, class: index ? "" : "first" }, fitting(line))));
  group.append(svg("title", {}, node.lines.filter(Boolean).join(" ")));
  if (!node.href) return group;
  return svg("a", { href: node.href, "aria-label": node.lines.filter(Boolean).join(" ") }, group);
}

const fitting = (line) => (line.length > 34 ? `${line.slice(0, 15)}…${line.slice(-18)}` : line);

function edge(from, to) {
  const [x1, y1, x2, y2] = [from.x + WIDTH, from.y + HEIGHT / 2, to.x, to.y + HEIGHT / 2];
  const bend = (x1 + x2) / 2;
  return svg("g", { class: "edge" }, svg("path", { d: `M ${x1} ${y1} C ${bend} ${y1}, ${bend} ${y2}, ${x2 - 6} ${y2}` }),
    svg("path", { class: "tip", d: `M ${x2} ${y2} l -8 -4 v 8 z` }));
}
