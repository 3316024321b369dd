// All holds in force, with their release.

import { get, post } from "../api.js";
import {
  address,
  counted,
  h,
  link,
  moment,
  named,
  number,
  paging,
  searching,
  table as rows,
  WHOLE,
  who,
} from "../dom.js";
import { confirm } from "../widgets/confirm.js";

const PAGE = 50;
const SHOWN = 3;
const HEADINGS = ["table", "name", "batches", "since", "until", "who", "why", "actions"];

// The holds of each table are read, so the view is shown first.
export async function holds(search = "", offset = "0") {
  const list = h("section", { "aria-label": "Holds", "aria-busy": true });
  list.append(h("p", { class: "empty" }, "…"));
  get("holds", { search, offset, limit: PAGE })
    .then(
      (found) => list.replaceChildren(...listed(found, search, Number(offset)).filter(Boolean)),
      (error) => list.replaceChildren(h("p", { class: "notice" }, error.message)),
    )
    .finally(() => list.setAttribute("aria-busy", "false"));
  return [
    h("h1", {}, "Holds"),
    searching("Search tables and names", search, (text) => address("holds", text)),
    list,
  ];
}

function listed(found, search, offset) {
  if (!found.total) {
    const none = search ? "No hold has this text." : "No batch is held.";
    return [h("p", { class: "empty" }, none)];
  }
  const body = found.holds.map((one) => [
    link(one.table, "table", one.table),
    holder(one),
    batches(one),
    moment(one.at),
    end(one),
    who(one.producer),
    one.reason,
    h("span", { class: "actions" }, h("button", { onclick: () => release(one) }, "Release…")),
  ]);
  return [
    rows(counted(found.total, "hold"), HEADINGS, body),
    paging(found.total, offset, PAGE, (at) => address("holds", search, at), ["Newer", "Older"]),
  ];
}

// A model holds the batches that it was trained on, by a name with its version.
function holder({ name }) {
  const model = /^model ([^/]+)\/(\d{14})/.exec(name);
  return model ? link(name, "version", model[1], model[2]) : name;
}

const end = (one) => (one.until ? moment(one.until) : "released");

function batches(one) {
  const shown = Object.entries(one.batches).slice(0, SHOWN);
  const more = one.total - shown.length;
  return h(
    "ul",
    { class: "plain" },
    shown.map(([key, id]) =>
      h("li", {}, link(`${key || WHOLE} ${id}`, "batch", one.table, key, id)),
    ),
    more > 0 ? h("li", {}, `and ${number(more)} more`) : null,
  );
}

function release(one) {
  const { name, number: version, table } = one;
  confirm({
    question: `Release the hold ${name} of ${table}?`,
    verb: "Release",
    details: rows("hold", ["batches", "since", "until", "why"], [
      [batches(one), moment(one.at), end(one), one.reason],
    ]),
    note: "Retention may then expire its batches, unless another hold keeps them.",
    recorded: "with the release",
    act: (reason) =>
      post(`tables/${named(table)}/release`, { name, number: version, reason }),
    success: `Released: ${name}.`,
  });
}
