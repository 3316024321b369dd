// A partition's history, and what can be done to it.

import { get, post } from "./api.js";
import { h, link, moment, number, size, table as rows, who } from "./dom.js";
import { busy, show } from "./page.js";
import { named } from "./tables.js";

const MORE = 100;

export async function partition(name, key = "", limit = "50") {
  const path = `tables/${named(name)}`;
  const [history, page] = await Promise.all([
    get(`${path}/history`, { partition: key, limit }).catch((error) => ({ changes: [], more: false, error })),
    get(`${path}/partitions`, { search: key, limit: 1000 }),
  ]);
  const now = page.partitions.find((one) => one.partition === key);
  if (!now && history.error) throw history.error;
  const current = now?.batch_id ?? null;
  const changes = history.changes.map((one) => [
    h("span", { class: `operation ${one.operation}` }, one.operation.replace("_", " ")),
    one.batch_id ? link(one.batch_id, "batch", name, key, one.batch_id) : "no batch",
    number(one.rows), size(one.bytes), moment(one.at), who(one.producer), one.reason,
    actions(name, key, one, current),
  ]);
  const headings = ["change", "batch", "#rows", "#size", "when", "who", "why", ""];
  return [
    h("h1", {}, `${name} ${key}`),
    h("p", { class: "now" }, current ? "Current: " : "No batch is current.", current ? h("strong", {}, current) : null,
      now && now.state !== "current" ? h("span", { class: `state ${now.state.replaceAll(" ", "-")}` }, now.state) : null),
    now?.staged ? waiting(name, key, now) : null,
    changes.length ? rows("newest first", headings, changes) : h("p", { class: "empty" }, "Nothing was ever current here."),
    history.more ? link("Older changes", "partition", name, key, String(Number(limit) + MORE)) : null,
  ];
}

function waiting(name, key, now) {
  const failed = now.state === "failed check" ? " A check said no to it." : "";
  return h("p", { class: "waiting" }, "Waiting to be published: ", link(now.staged, "batch", name, key, now.staged), `.${failed} `,
    h("button", { onclick: () => publish(name, key, now) }, "Publish…"));
}

function actions(name, key, one, current) {
  const found = [];
  if (one.batch_id && one.previous && one.batch_id !== one.previous) {
    found.push(link("Compare", "diff", name, key, one.previous, one.batch_id));
  }
  if (one.batch_id && current && one.batch_id !== current) {
    found.push(h("button", { onclick: () => rollback(name, key, one.batch_id, current) }, "Roll back to this…"));
  }
  return h("span", { class: "actions" }, found);
}

async function rollback(name, key, to, current) {
  const [old, wanted] = await Promise.all([detail(name, key, current), detail(name, key, to)]);
  ask(`Roll ${name} ${key} back?`, old, wanted, "Roll back", (reason) =>
    post(`tables/${named(name)}/rollback`, { partition: key, to, expected: current, reason }));
}

async function publish(name, key, now) {
  const [old, wanted] = await Promise.all([now.batch_id ? detail(name, key, now.batch_id) : null, detail(name, key, now.staged)]);
  ask(`Publish the waiting batch of ${name} ${key}?`, old, wanted, "Publish", (reason) =>
    post(`tables/${named(name)}/publish`, { partition: key, batch_id: now.staged, expected: now.batch_id, reason }));
}

const detail = (name, key, batch_id) => get(`tables/${named(name)}/batch`, { partition: key, batch_id });

function ask(question, old, wanted, verb, act) {
  const dialog = document.getElementById("dialog");
  const reason = h("input", { name: "reason", "aria-label": "Why", placeholder: "Why, for the history" });
  const described = (one) => (one ? [one.batch_id, number(one.rows), size(one.bytes), moment(one.created_at)] : ["no batch", "–", "–", "–"]);
  const held = (old?.held_by ?? []).map((one) => `${one.name}${one.until ? ` until ${one.until.slice(0, 10)}` : ""}`);
  const go = h("button", { class: "primary", value: "go" }, verb);
  const form = h("form", { method: "dialog" },
    h("h2", { id: "question" }, question),
    rows("what changes", ["", "batch", "#rows", "#size", "written"], [["now", ...described(old)], ["then", ...described(wanted)]]),
    h("p", {}, held.length ? `Pinned to what is current now, and stays so: ${held.join(", ")}.` : "Nobody has pinned what is current now durably."),
    h("p", {}, "No data are deleted; this can be undone in the same way."),
    reason, h("p", { class: "actions" }, h("button", { value: "no", formnovalidate: true }, "Cancel"), go));
  dialog.replaceChildren(form);
  dialog.onclose = async () => {
    if (dialog.returnValue !== "go") return;
    let failed = "";
    busy(true);
    try {
      await act(reason.value);
    } catch (error) {
      failed = error.message;
    }
    await show(failed);
  };
  dialog.returnValue = "no";
  dialog.showModal();
  reason.focus();
}
