// Workbenches: a form that starts one, and those that run. The use of memory is read again and again
// while the view is shown.

import { get, poll, post } from "../api.js";
import { counted, h, moment, number, openTab, size, table as rows } from "../dom.js";
import { busy, say, showAgain, showError } from "../status.js";
import { attempt, confirm } from "../widgets/confirm.js";

const HEADINGS = ["id", "owner", "state", "image", "memory", "#cpus", "ends", "actions"];
const PAUSE = 3000; // milliseconds
const GIB = 2 ** 30;

export async function workbenches() {
  const found = await get("workbenches");
  const head = [
    h("h1", {}, "Workbenches"),
    h("p", {}, "JupyterLab in a container of your own, with the libraries, R and the warehouse."),
  ];
  if (!found.limits) return [...head, h("p", { class: "notice" }, found.missing)];
  const list = h("section", { "aria-label": "Workbenches" });
  const log = h("section", { "aria-label": "Log" });
  const trouble = h("p", { class: "failed" });
  const show = shownIn(list, log);
  show(found);
  poll("workbenches", PAUSE, (now, error) => {
    trouble.textContent = error ? `This list is not up to date: ${error.message}` : "";
    if (now) show(now);
  });
  return [...head, found.may_start ? starting(found.limits) : null, trouble, list, log];
}

function starting(limits) {
  const amount = (name, label, value, max) => {
    const range = { min: 0, max, step: "any" };
    const field = h("input", { type: "number", name, value, ...range, required: true });
    return { field, label: h("label", {}, label, field, `at most ${number(max)}`) };
  };
  const gib = (bytes) => Math.floor((bytes / GIB) * 100) / 100;
  const image = imageOf(limits);
  const memory = amount("memory", "Memory in GiB", gib(limits.memory), gib(limits.most_memory));
  const cpus = amount("cpus", "Processors", limits.cpus, limits.most_cpus);
  const hours = amount("hours", "Hours", limits.hours, limits.most_hours);
  const start = async () => {
    const { id, reason } = await post("workbenches/start", {
      image: image.value,
      memory: Math.round(memory.field.valueAsNumber * GIB),
      cpus: cpus.field.valueAsNumber,
      hours: hours.field.valueAsNumber,
    });
    const note = reason ? `It has no home: ${reason}.` : "Open it as soon as it is running.";
    showAgain("", `Started: ${id}. ${note}`);
  };
  const submit = async (event) => {
    event.preventDefault();
    busy(true);
    button.disabled = true;
    showError("");
    try {
      await start();
    } catch (error) {
      showError(error.message);
      busy(false);
    }
    button.disabled = false;
  };
  const button = h("button", { class: "primary" }, "Start");
  return h(
    "form",
    { class: "start", "aria-label": "Start a workbench", onsubmit: submit },
    h("label", {}, "Image", image, `at most ${counted(limits.most_per_owner, "workbench")} of yours`),
    memory.label,
    cpus.label,
    hours.label,
    button,
  );
}

// A list of the images that are allowed; a field, if some are allowed by how their names begin.
function imageOf({ images, image }) {
  if (!images.some((one) => one.endsWith("*")))
    return h("select", { name: "image" }, images.map((one) => h("option", {}, one)));
  return h("input", {
    name: "image",
    value: image,
    required: true,
    maxlength: 255,
    autocomplete: "off",
    placeholder: images.join(", "),
  });
}

// Shows the workbenches. The table is drawn anew only if more than the use of memory has changed, so
// that the focus stays where it is.
function shownIn(list, log) {
  let [drawn, uses] = ["", []];
  return ({ workbenches: all }) => {
    const now = JSON.stringify(all.map((one) => ({ ...one, memory_used: null })));
    if (now !== drawn) {
      const focused = list.contains(document.activeElement) ? document.activeElement.dataset.at : "";
      uses = all.map(() => h("div", {}));
      list.replaceChildren(listed(all, uses, log));
      [...list.querySelectorAll("button")].find((one) => one.dataset.at === focused)?.focus();
      drawn = now;
    }
    all.forEach((one, index) => uses[index].replaceChildren(...memory(one)));
  };
}

function listed(all, uses, log) {
  if (!all.length) return h("p", { class: "empty" }, "There is no workbench.");
  const body = all.map((one, index) => [
    one.id,
    one.owner,
    [h("span", { class: "state" }, one.state), one.reason ? h("p", {}, one.reason) : null],
    one.image,
    uses[index],
    number(one.cpus),
    moment(one.ends),
    buttons(one, log),
  ]);
  return rows(counted(all.length, "workbench"), HEADINGS, body);
}

function memory({ memory_used: used, memory: most }) {
  if (used === null) return [size(most)];
  return [
    h("meter", { min: 0, max: most, value: used, "aria-label": "use of memory" }),
    ` ${size(used)} of ${size(most)}`,
  ];
}

function buttons(one, log) {
  const button = (text, possible, act) =>
    possible
      ? h("button", { "data-at": `${text} ${one.id}`, onclick: () => attempt(act) }, text)
      : null;
  return h(
    "span",
    { class: "actions" },
    button("Open", one.may_open, () => open(one)),
    button("Log", one.may_stop, () => showLog(one, log)),
    button(`${ending(one)}…`, one.may_stop, () => stop(one)),
  );
}

// The address has a token: it is asked for when it is needed, and is nowhere in the page.
async function open({ id }) {
  const { address } = await post("workbenches/open", { id });
  openTab(address);
  say("Opened in a new tab. ", h("button", { onclick: () => openTab(address) }, "Open it again"));
}

async function showLog({ id }, log) {
  const { lines } = await get("workbenches/log", { id });
  const text = lines.length ? lines.join("\n") : "It has printed nothing yet.";
  log.replaceChildren(
    h("h2", {}, `Log of ${id}`),
    h("pre", { tabindex: 0, role: "group", "aria-label": `log of ${id}` }, text),
  );
  log.scrollIntoView({ block: "nearest" });
}

// One that has ended stays in the list, with its log, until it is removed.
const ending = ({ state }) => (state === "ended" ? "Remove" : "Stop");

function stop(one) {
  const verb = ending(one);
  const lost = verb === "Stop" ? "What runs in it ends. " : "";
  confirm({
    question: `${verb} the workbench ${one.id}?`,
    verb,
    details: rows("workbench", ["owner", "image", "started", "ends"], [
      [one.owner, one.image, moment(one.started), moment(one.ends)],
    ]),
    note: `${lost}Its home and the warehouse stay; everything else in it, and its log, is lost.`,
    recorded: null,
    act: () => post("workbenches/stop", { id: one.id }),
    success: `${verb === "Stop" ? "Stopped" : "Removed"}: ${one.id}.`,
  });
}
