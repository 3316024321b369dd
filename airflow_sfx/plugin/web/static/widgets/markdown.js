// The Markdown of a model's card as elements: headings, tables, lists, code and paragraphs. Its
// texts are set as text, and links stay text.

import { h, table } from "../dom.js";

const HEADING = /^(#{1,6}) (.*)$/;
const CODE = /^ {4}(.*)$/;
const ITEM = /^(?:\d+\.|[-*]) (.*)$/;

export function markdown(text) {
  const lines = withoutHeader(text.split("\n"));
  const found = [];
  while (lines.length) {
    if (!lines[0].trim()) lines.shift();
    else found.push(block(lines));
  }
  return found;
}

// A card begins with data for the Hugging Face Hub.
function withoutHeader(lines) {
  const end = lines[0] === "---" ? lines.indexOf("---", 1) : -1;
  return lines.slice(end + 1);
}

// Takes the lines of the next block, and returns its element.
function block(lines) {
  const heading = HEADING.exec(lines[0]);
  if (heading) {
    lines.shift();
    return h(heading[1].length > 2 ? "h4" : "h3", {}, heading[2]);
  }
  if (CODE.test(lines[0])) {
    const code = taken(lines, CODE).map((line) => CODE.exec(line)[1]);
    return h("pre", { tabindex: 0, role: "group", "aria-label": "Code" }, code.join("\n"));
  }
  if (lines[0].startsWith("|")) return rows(taken(lines, /^\|/));
  if (ITEM.test(lines[0])) return list(lines);
  return h("p", {}, inline(taken(lines, /\S/, [HEADING, CODE, ITEM, /^\|/]).join(" ")));
}

// Removes the lines from the beginning that match, up to one that starts another block.
function taken(lines, pattern, others = []) {
  const end = lines.findIndex(
    (line, place) => !pattern.test(line) || (place && others.some((one) => one.test(line))),
  );
  return lines.splice(0, end < 0 ? lines.length : end);
}

function list(lines) {
  const numbered = /^\d/.test(lines[0]);
  const start = numbered ? Number.parseInt(lines[0], 10) : null;
  const items = [];
  while (lines.length && (ITEM.test(lines[0]) || (items.length && /^ {2,3}\S/.test(lines[0])))) {
    const line = lines.shift();
    if (ITEM.test(line)) items.push(ITEM.exec(line)[1]);
    else items[items.length - 1] += ` ${line.trim()}`;
  }
  return h(numbered ? "ol" : "ul", { start }, items.map((one) => h("li", {}, inline(one))));
}

function rows(lines) {
  const cells = (line) =>
    line
      .replace(/^\||\|$/g, "")
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim().replaceAll("\\|", "|"));
  const [head, , ...body] = lines.map(cells);
  return table("", head, body.map((row) => row.map((cell) => h("span", {}, inline(cell)))));
}

const inline = (text) =>
  text.split(/(`[^`]+`)/).map((part) => (/^`.+`$/.test(part) ? h("code", {}, part.slice(1, -1)) : part));
