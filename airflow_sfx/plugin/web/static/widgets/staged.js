// Staged batches, with what failed and the buttons that end their wait.

import { counted, h, link, moment, number, size, table as rows, WHOLE, who } from "../dom.js";
import { discard, publish } from "./change.js";
import { failures } from "./checks.js";
import { attempt } from "./confirm.js";

const HEADINGS = ["partition", "batch", "state", "#rows", "#size", "written", "who", "actions"];

// What a staged batch of a partition is, and its buttons.
export function stagedNotice(name, one) {
  return h(
    "section",
    { class: one.state === "waiting" ? "notice" : "notice quiet", "aria-label": "Staged batch" },
    h(
      "p",
      {},
      `Staged, ${state(one)}: `,
      link(one.batch_id, "batch", name, one.partition, one.batch_id),
      `, ${counted(one.rows ?? 0, "row")}, ${size(one.bytes)}, `,
      moment(one.at),
    ),
    problems(one),
    buttons(name, one),
  );
}

// The staged batches of a table, or null without any.
export function stagedTable(name, found) {
  if (!found.total) return null;
  const body = found.batches.map((one) => [
    link(one.partition || WHOLE, "partition", name, one.partition),
    link(one.batch_id, "batch", name, one.partition, one.batch_id),
    [state(one), problems(one)],
    number(one.rows),
    size(one.bytes),
    moment(one.at),
    who(one.producer),
    buttons(name, one),
  ]);
  const more = found.total > body.length ? `, the newest ${number(body.length)}` : "";
  return rows(`${counted(found.total, "staged batch")}${more}`, HEADINGS, body);
}

const state = (one) => (one.state === "overtaken" ? `overtaken by ${one.current}` : one.state);

const problems = (one) => (one.problem ? h("p", {}, one.problem) : failures(one.failed));

export function buttons(name, one) {
  const button = (text, act) => h("button", { onclick: () => attempt(act) }, text);
  return h(
    "span",
    { class: "actions" },
    one.problem ? null : button("Publish…", () => publish(name, one)),
    one.state === "discarded" ? null : button("Discard…", () => discard(name, one)),
  );
}
