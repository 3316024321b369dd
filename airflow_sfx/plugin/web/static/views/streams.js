// The tables that streams feed: positions, the last commit of each stream, and dead letters.

import { get } from "../api.js";
import {
  address,
  age,
  counted,
  h,
  link,
  moment,
  number,
  paging,
  searching,
  table as rows,
} from "../dom.js";
import { NONE } from "../words.js";
import { unreadable } from "./changes.js";

const PAGE = 25;
const FEW = 2; // shards whose positions are shown at once
const MONTH = "720"; // hours
const HEADINGS = [
  "table",
  "stream",
  "last commit",
  "#rows",
  "window",
  "positions",
  "dead letters",
];

// The end of each log is read, so the view is shown first.
export async function streams(search = "", offset = "0") {
  const list = h("section", { "aria-label": "Streams", "aria-busy": true });
  list.append(h("p", { class: "empty" }, "…"));
  get("streams", { search, offset, limit: PAGE })
    .then(
      (found) => list.replaceChildren(...listed(found, search, Number(offset)).filter(Boolean)),
      (error) => list.replaceChildren(h("p", { class: "notice" }, error.message)),
    )
    .finally(() => list.setAttribute("aria-busy", "false"));
  return [
    h("h1", {}, "Streams"),
    searching("Search tables", search, (text) => address("streams", text)),
    list,
  ];
}

function listed(found, search, offset) {
  const problems = unreadable(found);
  if (!found.total) {
    const none = search ? "Streams feed no table of such a name." : "No table is fed by a stream.";
    return [...problems, h("p", { class: "empty" }, none)];
  }
  const body = found.tables.flatMap((one) => {
    const dead = one.streams.map(() => h("div", {}, one.dead_letters ? "…" : NONE));
    if (one.dead_letters) fill(one, dead);
    return one.streams.map((stream, index) => row(one, stream, dead[index]));
  });
  return [
    ...problems,
    rows(counted(found.total, "table"), HEADINGS, body),
    h(
      "p",
      { class: "empty" },
      "The time since the last commit is not how far a table is behind, as a stream may have sent " +
        "nothing since. The page has no credentials of streams and does not ask them; ",
      h("code", {}, "sfx stream lag TABLE --stream NAME"),
      " does.",
    ),
    paging(found.total, offset, PAGE, (at) => address("streams", search, at), ["Previous", "Next"]),
  ];
}

function row(one, stream, dead) {
  return [
    [
      link(one.table, "table", one.table),
      h("div", {}, link("Compactions", ...compactions(one.table))),
    ],
    stream.stream,
    [
      h("div", {}, age(stream.at)),
      moment(stream.at),
      stream.partitions ? h("div", {}, link("Open", "commit", one.table, stream.commit)) : [],
    ],
    number(stream.rows),
    added(one, stream),
    positions(stream),
    dead,
  ];
}

const compactions = (table) => ["changes", MONTH, "0", table, "", "", "", "compact"];

// Where the rows of the last commit are; records without rows move the positions alone.
function added(one, stream) {
  if (stream.partition !== null)
    return link(stream.partition, "partition", one.table, stream.partition);
  return stream.partitions ? counted(stream.partitions, "partition") : "no rows";
}

function positions(stream) {
  const shown = Object.entries(stream.positions);
  const more = stream.shards - shown.length;
  const items = h(
    "ul",
    { class: "plain" },
    shown.map(([shard, at]) => h("li", {}, `${shard}: ${at}`)),
    more > 0 ? h("li", {}, `and ${number(more)} more`) : null,
  );
  if (shown.length <= FEW) return items;
  return h("details", {}, h("summary", {}, counted(stream.shards, "shard")), items);
}

// The dead letters of a table arrive after the list.
async function fill(one, cells) {
  let found;
  try {
    found = await get("streams/dead_letters", { table: one.dead_letters });
  } catch (error) {
    for (const cell of cells) cell.replaceChildren(error.message);
    return;
  }
  const newest = Object.fromEntries(found.newest.map((letter) => [letter.stream, letter]));
  one.streams.forEach(({ stream }, index) =>
    cells[index].replaceChildren(
      ...count(one, found, stream),
      ...(newest[stream] ? letter(newest[stream]) : []),
    ),
  );
}

// In many windows, those of several streams are counted together.
function count(one, found, stream) {
  const rows = found.by_stream ? (found.by_stream[stream] ?? 0) : found.rows;
  if (!rows) return [NONE];
  const text = counted(rows, "record");
  return [link(text, "table", one.dead_letters), found.by_stream ? "" : " of all streams"];
}

const letter = (one) => [
  h("div", {}, "newest of this stream: ", moment(one.at)),
  h("div", { class: "long", title: one.error }, one.error),
  h("div", {}, `${one.shard}: ${one.sequence}, ${counted(one.attempts, "attempt")}`),
];
