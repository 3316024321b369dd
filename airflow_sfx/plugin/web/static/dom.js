// Elements. Text is set as text: nothing from data is parsed as HTML.

import { AIRFLOW } from "./address.js";
import { number, operation as operationWord, text, time } from "./words.js";

export { age, counted, number, size, text, WHOLE } from "./words.js";

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined),
  );
  return element;
}

export function svg(tag, attributes, ...children) {
  const shape = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, value);
  shape.append(...children);
  return shape;
}

const [SHORT, LONG] = [25, 160]; // characters

export function moment(at) {
  return at ? h("time", { datetime: at }, `${time(at)} UTC`) : text(null);
}

// Clips a long text by CSS; its tooltip and its copy have all of it.
const clipped = (cell) =>
  typeof cell === "string" && cell.length > LONG
    ? h("span", { class: "long", title: cell }, cell)
    : cell;

export function table(caption, headings, rows) {
  const head = headings.map((text) =>
    h("th", { scope: "col", class: text.startsWith("#") ? "figure" : null }, text.replace("#", "")),
  );
  const body = rows.map((cells) =>
    h(
      "tr",
      {},
      cells.map((cell, index) =>
        h(
          "td",
          {
            class: headings[index].startsWith("#") ? "figure" : null,
            "data-heading": headings[index].replace("#", ""),
          },
          clipped(cell ?? text(null)),
        ),
      ),
    ),
  );
  return h(
    "table",
    {},
    h("caption", {}, caption),
    h("thead", {}, h("tr", {}, head)),
    h("tbody", {}, body),
  );
}

export const named = (name) => name.split(".").map(encodeURIComponent).join("/");

// The path of a model in the API.
export const modelPath = (name) => `models/${encodeURIComponent(name)}`;

export const operation = (name) => h("span", { class: `operation ${name}` }, operationWord(name));

export const link = (text, ...steps) =>
  h("a", { href: address(...steps), class: text.length < SHORT ? "short" : null }, text);

// A batch of any table.
export const batchLink = (one) =>
  link(batchName(one), "batch", one.table, one.partition, one.batch_id);

export const batchName = (one) =>
  [one.table, one.partition, one.batch_id].filter(Boolean).join(" ");

export const address = (...steps) => `#/${steps.map(encodeURIComponent).join("/")}`;

export function searching(label, text, to) {
  const field = h("input", {
    type: "search",
    name: "search",
    value: text,
    "aria-label": label,
    placeholder: label,
  });
  return h(
    "form",
    {
      role: "search",
      onsubmit: (event) => {
        event.preventDefault();
        location.hash = to(field.value.trim());
      },
    },
    field,
    h("button", {}, "Search"),
  );
}

// Links to the pages of a list: `total` may be null if unknown, and then `more` must be given.
export function paging(total, offset, length, to, [before, after], more = offset + length < total) {
  if (!more && !offset) return null;
  const last = total === null ? offset + length : Math.min(total, offset + length);
  return h(
    "nav",
    { class: "paging", "aria-label": "Pagination" },
    offset > 0 ? h("a", { href: to(String(Math.max(0, offset - length))) }, before) : null,
    h(
      "span",
      {},
      `${number(Math.min(offset + 1, last))}–${number(last)}`,
      total === null ? "" : ` of ${number(total)}`,
    ),
    more ? h("a", { href: to(String(offset + length)) }, after) : null,
  );
}

// A link to a page of Airflow. In a frame of Airflow, it navigates Airflow by its router, as the
// frame must not replace the page around it.
export function airflow(text, path) {
  return h(
    "a",
    {
      href: path,
      onclick: (event) => {
        if (window.parent === window) return;
        event.preventDefault();
        window.parent.history.pushState({}, "", path);
        window.parent.dispatchEvent(new PopStateEvent("popstate", { state: {} }));
      },
    },
    text,
  );
}

// Opens an address of another server in a new tab. Airflow's frame opens none, so a link of the page
// around it is followed.
export function openTab(url) {
  const anchor = window.parent.document.createElement("a");
  Object.assign(anchor, { href: url, target: "_blank", rel: "noopener noreferrer" });
  anchor.click();
}

const backfillLink = (dagId, id) => link(`backfill ${id}`, "backfill", dagId, id);

export function who(producer) {
  if (!producer.dag_id || !producer.run_id)
    return [producer.user, producer.host].filter(Boolean).join("@") || text(null);
  const [dagId, runId, taskId] = [producer.dag_id, producer.run_id, producer.task_id].map((one) =>
    encodeURIComponent(one),
  );
  const run = `${AIRFLOW}/dags/${dagId}/runs/${runId}`;
  const mapped = producer.map_index >= 0 ? `/mapped/${producer.map_index}` : "";
  const task = `${run}/tasks/${taskId}${mapped}?try_number=${producer.try_number ?? 1}`;
  const backfill = producer.backfill_id
    ? [" · ", backfillLink(producer.dag_id, producer.backfill_id)]
    : null;
  if (!producer.task_id) return h("span", {}, airflow(producer.dag_id, run), backfill);
  return h(
    "span",
    {},
    airflow(producer.dag_id, run),
    " · ",
    airflow(`${producer.task_id} (log)`, task),
    backfill,
  );
}
