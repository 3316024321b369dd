// What becomes stale when batches end: what was made from them, at any depth, and is current; and
// the models that were trained on them.

import { batchLink, counted, h, link, number } from "../dom.js";

const MAX_LISTED = 20;

export function becomesStale(batches, models) {
  const stale = counted(batches.length, "batch");
  const trained = counted(models.length, "version");
  return [
    batches.length
      ? listed(`${stale} made from this will be stale:`, "Becomes stale", batches.map(batchLink))
      : h("p", {}, "Nothing becomes stale."),
    models.length
      ? listed(`Models trained on this: ${trained}, which stay as they are:`, "Models", models.map(named))
      : null,
  ];
}

const named = ({ model, version, aliases }) => [
  link(`${model}/${version}`, "version", model, version),
  aliases.length ? ` (${aliases.join(", ")})` : null,
];

function listed(text, label, items) {
  const more = items.length - MAX_LISTED;
  return [
    h("p", {}, text),
    h(
      "ul",
      { "aria-label": label },
      items.slice(0, MAX_LISTED).map((one) => h("li", {}, one)),
      more > 0 ? h("li", {}, `and ${number(more)} more`) : null,
    ),
  ];
}

// The same in an element that fills itself: `find` returns the batches and the models.
export function willBecomeStale(find) {
  const place = h("div", { "aria-live": "polite", "aria-busy": true });
  place.append(h("p", { class: "empty" }, "Looking for what becomes stale…"));
  find()
    .then(
      ({ batches, models }) =>
        place.replaceChildren(...becomesStale(batches, models).flat().filter(Boolean)),
      (error) => place.replaceChildren(h("p", { class: "notice" }, error.message)),
    )
    .finally(() => place.setAttribute("aria-busy", "false"));
  return place;
}
