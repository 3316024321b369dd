// Stale batches: current ones that were made from a batch that is no longer current.

import { getComplete } from "../api.js";
import {
  address,
  batchLink,
  batchName,
  counted,
  h,
  link,
  moment,
  table as rows,
  WHOLE,
  who,
} from "../dom.js";
import { MAX_ANNOUNCED, announceButton } from "./announce.js";

const HEADINGS = ["table", "partition", "batch", "made from", "since", "who", "why", "through"];

// Calls `show` with the stale batches of a query once the warehouse is searched. `place` is an
// element of the view, which is busy until then, and shows an error.
export async function whenStaleIsKnown(place, query, show) {
  place.setAttribute("aria-busy", "true");
  try {
    const found = await getComplete("stale", query);
    if (place.isConnected) show(found);
  } catch (error) {
    if (place.isConnected) place.replaceChildren(notKnown(error));
  }
  place.setAttribute("aria-busy", "false");
}

const notKnown = (error) => h("p", { class: "notice" }, `Stale batches: ${error.message}`);

// The stale batch of one partition.
export const ofPartition = (name, key) => ({ table: name, first: key, last: key, limit: 1 });

// Why a batch is stale: its input, and how that ended.
export const because = (one) => `${batchName(one.input)} ${one.cause}`;

// A mark with a text, which leads to the input.
export const stalePill = (one) =>
  h(
    "a",
    {
      class: "state stale",
      href: address("batch", one.input.table, one.input.partition, one.input.batch_id),
      title: `stale: ${because(one)}`,
    },
    "stale",
  );

// What makes the batch of this view stale, and how to have it made again.
export function staleNotice(one) {
  const when = one.since ? [" ", moment(one.since)] : "";
  return h(
    "section",
    { class: "notice", "aria-label": "Stale batch" },
    h(
      "p",
      {},
      h("strong", {}, "Stale: "),
      "made from ",
      batchLink(one.input),
      `, which was ${one.cause}`,
      when,
      " by ",
      who(one.producer),
      one.reason ? `: ${one.reason}` : "",
      one.path.length ? [", through ", listed(one.path)] : "",
      ".",
    ),
    h("p", { class: "actions" }, announceButton(one.input.table, [one.input.partition])),
  );
}

const listed = (batches) => batches.map((one, place) => [place ? ", " : "", batchLink(one)]);

// Stale batches as a list, with a button for each table whose consumers make them again.
export function staleTable(found) {
  const body = found.batches.map((one) => [
    link(one.table, "table", one.table),
    link(one.partition || WHOLE, "partition", one.table, one.partition),
    link(one.batch_id, "batch", one.table, one.partition, one.batch_id),
    [batchLink(one.input), ` ${one.cause}`],
    moment(one.since),
    who(one.producer),
    one.reason,
    one.path.length ? listed(one.path) : null,
  ]);
  return [
    h("p", { class: "actions start" }, announcements(found.batches)),
    rows(counted(found.total, "stale batch"), HEADINGS, body),
  ];
}

function announcements(batches) {
  const inputs = new Map();
  for (const { input } of batches) {
    if (!inputs.has(input.table)) inputs.set(input.table, new Set());
    inputs.get(input.table).add(input.partition);
  }
  return [...inputs].map(([table, keys]) =>
    announceButton(table, [...keys].slice(0, MAX_ANNOUNCED)),
  );
}
