// All tables. Their names come first, and the figures of each as soon as they are known.

import { get } from "./api.js";
import { address, age, h, link, named, number, paging, searching, size, table as rows } from "./dom.js";

const PAGE = 25;
const HEADINGS = ["table", "last change", "#partitions", "#rows", "#size", "#waiting"];

export async function tables(search = "", offset = "0") {
  const found = await get("tables", { search, offset, limit: PAGE });
  const figures = found.tables.map(() => HEADINGS.slice(1).map(() => h("span", { class: "empty" }, "…")));
  const listed = rows(`${number(found.total)} tables`, HEADINGS, found.tables.map((name, index) => [link(name, "table", name), ...figures[index]]));
  listed.setAttribute("aria-busy", "true");
  Promise.all(found.tables.map((name, index) => fill(name, figures[index]))).then(() => listed.setAttribute("aria-busy", "false"));
  const none = search ? "No table has this in its name." : "The warehouse has no tables yet.";
  return [
    h("h1", {}, "Tables"),
    searching("Search tables", search, (text) => address("tables", text)),
    found.total ? listed : h("p", { class: "empty" }, none),
    paging(found.total, Number(offset), PAGE, (at) => address("tables", search, at), ["Before", "After"]),
  ];
}

async function fill(name, cells) {
  let told;
  try {
    const one = await get(`tables/${named(name)}`);
    told = [age(one.newest), number(one.partitions), number(one.rows), size(one.bytes), number(one.staged)];
  } catch (error) {
    told = [error.message, "–", "–", "–", "–"];
  }
  cells.forEach((cell, index) => cell.replaceWith(told[index]));
}
