// The first rows of a batch, read when a person asks for them.

import { get } from "../api.js";
import { counted, h, named, number, table, text } from "../dom.js";

const LIMIT = 20;

export function firstRows(name, key, one) {
  const shown = h("div", { "aria-live": "polite" });
  const button = h("button", { onclick: show }, "Show rows");
  async function show() {
    button.disabled = true;
    const query = { partition: key, batch_id: one.batch_id, limit: LIMIT };
    try {
      shown.replaceChildren(...contents(await get(`tables/${named(name)}/rows`, query), one));
      button.remove();
    } catch (error) {
      shown.replaceChildren(h("p", { class: "notice" }, error.message));
      button.disabled = false;
    }
  }
  return h("section", { "aria-label": "rows" }, h("h2", {}, "Rows"), button, shown);
}

function contents(found, one) {
  if (!found.rows.length) return [h("p", { class: "empty" }, "no rows")];
  const headings = found.columns.map((column, index) => `${column} (${found.types[index]})`);
  const rows = found.rows.map((values) => values.map((value) => value ?? text(null)));
  const caption = found.more
    ? `first ${number(rows.length)} of ${counted(one.rows, "row")}`
    : counted(rows.length, "row");
  const label = { class: "wide", tabindex: 0, role: "group", "aria-label": "first rows" };
  return [h("div", label, table(caption, headings, rows))];
}
