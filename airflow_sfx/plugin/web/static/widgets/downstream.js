// What becomes stale when batches end: what was made from them, at any depth, and is current.

import { batchLink, counted, h, number } from "../dom.js";

const MAX_LISTED = 20;

export function becomesStale(batches) {
  if (!batches.length) return h("p", {}, "Nothing becomes stale.");
  const more = batches.length - MAX_LISTED;
  return [
    h("p", {}, `${counted(batches.length, "batch")} made from this will be stale:`),
    h(
      "ul",
      { "aria-label": "Becomes stale" },
      batches.slice(0, MAX_LISTED).map((one) => h("li", {}, batchLink(one))),
      more > 0 ? h("li", {}, `and ${number(more)} more`) : null,
    ),
  ];
}

// The same in an element that fills itself: `find` returns the batches.
export function willBecomeStale(find) {
  const place = h("div", { "aria-live": "polite", "aria-busy": true });
  place.append(h("p", { class: "empty" }, "Looking for what becomes stale…"));
  find()
    .then(
      (batches) => place.replaceChildren(...[becomesStale(batches)].flat()),
      (error) => place.replaceChildren(h("p", { class: "notice" }, error.message)),
    )
    .finally(() => place.setAttribute("aria-busy", "false"));
  return place;
}
