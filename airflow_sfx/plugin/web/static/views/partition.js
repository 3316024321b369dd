// A partition's history, and what can be done to it.

import { get, post } from "./api.js";
import { ask, attempt } from "./confirm.js";
import { h, link, moment, named, number, operation, size, table as rows, who } from "./dom.js";
import { show } from "./page.js";

const PAGE = "50";
const MOST_READERS = 20;

export async function partition(name, key = "", before = "") {
  const path = `tables/${named(name)}`;
  const failed = (error) => ({ error });
  const [history, now] = await Promise.all([
    get(`${path}/history`, { partition: key, limit: PAGE, before: before || null }).catch(failed),
    get(`${path}/partition`, { partition: key }).catch(failed),
  ]);
  if (history.error && (now.error || history.error.kind !== "PartitionNotFound")) throw history.error;
  const current = history.error ? now.batch_id : history.current;
  const changes = history.changes ?? [];
  const body = changes.map((one) => [
    operation(one.operation), batch(name, key, one, history), number(one.rows), size(one.bytes), moment(one.at), who(one.producer),
    why(one), actions(name, key, one, current, history),
  ]);
  const headings = ["change", "batch", "#rows", "#size", "when", "who", "why", "what to do"];
  const older = history.more ? link("Older changes", "partition", name, key, String(changes.at(-1).sequence)) : null;
  return [
    h("h1", {}, `${name} ${key}`),
    h("p", { class: "now" }, current ? "Current: " : "No batch is current.", current ? h("strong", {}, current) : null,
      now.state && now.state !== "current" ? h("span", { class: `state ${now.state.replaceAll(" ", "-")}` }, now.state) : null),
    now.staged ? waiting(name, key, now, current) : null,
    body.length ? rows("newest first", headings, body) : h("p", { class: "empty" }, "Nothing was ever current here."),
    h("p", { class: "paging" }, before ? link("Newest changes", "partition", name, key) : null, older),
  ];
}

function batch(name, key, one, history) {
  if (!one.batch_id) return "no batch";
  const instead = history.replaced[one.batch_id];
  if (instead) return h("span", {}, `${one.batch_id}, rows erased: `, link(instead, "batch", name, key, instead));
  const shown = link(one.batch_id, "batch", name, key, one.batch_id);
  return history.retired.includes(one.batch_id) ? h("span", {}, shown, h("span", { class: "state" }, "retired")) : shown;
}

const why = (one) => [one.reason, one.retired.length ? `gives up ${one.retired.join(", ")}` : ""].filter(Boolean).join("; ");

function waiting(name, key, now, current) {
  const failed = now.state === "failed check" ? " A check said no to it." : "";
  const publish = () => attempt(() => change(name, key, current, now.staged, "publish"));
  return h("p", { class: "waiting" }, "Waiting to be published: ", link(now.staged, "batch", name, key, now.staged), `.${failed} `,
    h("button", { onclick: publish }, "Publish…"));
}

function actions(name, key, one, current, history) {
  const there = (id) => id && (history.replaced[id] ?? (history.retired.includes(id) ? null : id));
  const [after, before] = [there(one.batch_id), there(one.previous)];
  const found = [];
  if (after && before && after !== before) found.push(link("Compare", "diff", name, key, before, after));
  if (after && after !== current) {
    const rollback = () => attempt(() => change(name, key, current, after, "rollback"));
    found.push(h("button", { onclick: rollback }, "Roll back to this…"));
  }
  return h("span", { class: "actions" }, found);
}

// Asks, and rolls back or publishes. What is current may be damaged: one must be able to get away from it all the same.
async function change(name, key, current, to, what) {
  const path = `tables/${named(name)}`;
  const detail = (batch_id) => get(`${path}/batch`, { partition: key, batch_id });
  const [old, wanted] = await Promise.all([current ? detail(current).catch((error) => ({ error })) : null, detail(to)]);
  const described = (id, one) => (one && !one.error ? [id, number(one.rows), size(one.bytes), moment(one.created_at)] : [id ?? "no batch", "–", "–", "–"]);
  const asked = { partition: key, expected: current, ...(what === "publish" ? { batch_id: to } : { to }) };
  ask({
    question: what === "publish" ? `Publish the waiting batch of ${name} ${key}?` : `Roll ${name} ${key} back?`,
    verb: what === "publish" ? "Publish" : "Roll back",
    told: [
      rows("what changes", ["", "batch", "#rows", "#size", "written"], [["now", ...described(current, old)], ["then", ...described(to, wanted)]]),
      old?.error ? h("p", { class: "waiting" }, `What is current cannot be looked at: ${old.error.message}`) : null,
      old && !old.error ? [columns(old, wanted), concerned(old)] : null,
    ],
    act: (reason) => post(`${path}/${what}`, { ...asked, reason }),
    done: show,
    said: what === "publish" ? `Published: ${to} is current.` : `Rolled back: ${to} is current.`,
  });
}

function columns(old, wanted) {
  const list = (one) => one.columns.map((column) => `${column.name} ${column.type}`);
  const [gone, come] = [list(old).filter((one) => !list(wanted).includes(one)), list(wanted).filter((one) => !list(old).includes(one))];
  if (!gone.length && !come.length) return h("p", {}, "The columns stay the same.");
  return h("p", {}, [gone.length ? `Columns that go: ${gone.join(", ")}.` : "", come.length ? ` Columns that come: ${come.join(", ")}.` : ""]);
}

function concerned(old) {
  const held = old.held_by.map((one) => `${one.name}${one.until ? ` until ${one.until.slice(0, 10)}` : ""}`);
  const readers = old.read_by.flatMap((one) => Object.entries(one.batches).map(([key, id]) => h("li", {}, link(`${one.table} ${key} ${id}`, "batch", one.table, key, id), ", by ", who(one.producer))));
  return [
    h("p", {}, held.length ? `Pinned to what is current now, and stays so: ${held.join(", ")}.` : "Nobody has pinned what is current now durably."),
    readers.length ? h("p", {}, "Made from what is current now, and to be made again by you:") : h("p", {}, "Nothing that is known was made from it."),
    readers.length ? h("ul", {}, readers.slice(0, MOST_READERS), readers.length > MOST_READERS ? h("li", {}, `and ${readers.length - MOST_READERS} more`) : null) : null,
  ];
}
