// All models: names first, and the versions of their aliases as they arrive.

import { get } from "../../api.js";
import {
  address,
  age,
  counted,
  h,
  link,
  modelPath,
  paging,
  searching,
  table as rows,
} from "../../dom.js";
import { NONE } from "../../words.js";
import { LATEST, metricsOf, PRODUCTION } from "./words.js";

const PAGE = 25;
const HEADINGS = ["model", "in production", "since", "saved last", "when", "metrics of the last"];

export async function models(search = "", offset = "0") {
  const found = await get("models", { search, offset, limit: PAGE });
  const cells = found.models.map(() =>
    HEADINGS.slice(1).map(() => h("span", { class: "empty" }, "…")),
  );
  const body = found.models.map((name, index) => [link(name, "model", name), ...cells[index]]);
  const listed = rows(counted(found.total, "model"), HEADINGS, body);
  listed.setAttribute("aria-busy", "true");
  Promise.all(found.models.map((name, index) => fill(name, cells[index]))).then(() =>
    listed.setAttribute("aria-busy", "false"),
  );
  const none = search ? "No model's name contains this text." : "No model was saved yet.";
  return [
    h("h1", {}, "Models"),
    searching("Search models", search, (text) => address("models", text)),
    found.total ? listed : h("p", { class: "empty" }, none),
    paging(found.total, Number(offset), PAGE, (at) => address("models", search, at), [
      "Previous",
      "Next",
    ]),
  ];
}

async function fill(name, cells) {
  let texts;
  try {
    const one = await get(modelPath(name), { limit: 1 });
    const of = (alias) => one.aliases.find((entry) => entry.alias === alias);
    const version = (entry) => (entry ? link(entry.version, "version", name, entry.version) : NONE);
    const [newest] = one.versions;
    texts = [
      version(of(PRODUCTION)),
      age(of(PRODUCTION)?.at),
      version(of(LATEST)),
      age(newest?.at),
      metricsOf(newest?.metrics ?? {}) || NONE,
    ];
  } catch (error) {
    texts = [error.message, ...HEADINGS.slice(2).map(() => NONE)];
  }
  cells.forEach((cell, index) => cell.replaceWith(texts[index]));
}
