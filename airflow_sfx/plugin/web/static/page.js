// Which view is shown: the part of the address behind "#" says so; a run's or a task's tab shows what that run changed.

import { address, h, link } from "./dom.js";
import { tables, table } from "./tables.js";
import { partition } from "./partition.js";
import { batch, diff } from "./batch.js";
import { run } from "./run.js";

const VIEWS = { table, partition, batch, diff };

let shown = 0;

// Shows what the address says; `failed` is what went wrong before, and stays to be read.
export async function show(failed = "") {
  const turn = ++shown;
  const main = document.getElementById("main");
  busy(true);
  if (failed) tell(failed);
  const [view, ...steps] = location.hash.slice(2).split("/").map(decodeURIComponent);
  const asked = new URLSearchParams(location.search);
  let content;
  try {
    if (!view && asked.has("run_id")) content = await run(asked.get("dag_id"), asked.get("run_id"), asked.get("task_id"));
    else content = await (VIEWS[view] ?? tables)(...steps);
    tell(failed);
  } catch (error) {
    content = [h("p", { class: "empty" }, "Nothing can be shown here."), h("button", { onclick: () => show() }, "Try again")];
    tell(failed || error.message);
  }
  if (turn !== shown) return;
  document.getElementById("path").replaceChildren(...path(view, steps, asked));
  main.replaceChildren(...content.filter(Boolean));
  busy(false);
}

export function busy(now) {
  document.getElementById("main").setAttribute("aria-busy", String(now));
}

export function tell(message) {
  document.getElementById("alert").textContent = message;
}

function path(view, steps, asked) {
  const found = asked.has("run_id") ? [h("a", { href: "#" }, "This run")] : [h("a", { href: "#/" }, "Tables")];
  if (view in VIEWS) found.push(" / ", link(steps[0], "table", steps[0]));
  if (["partition", "batch", "diff"].includes(view)) found.push(" / ", link(steps[1] || "(whole table)", "partition", steps[0], steps[1]));
  if (["batch", "diff"].includes(view)) found.push(" / ", h("a", { href: address(view, ...steps), "aria-current": "page" }, steps.slice(2).join(" → ")));
  return found;
}

function look() {
  let outer = null;
  try {
    outer = window.parent.document.documentElement;
  } catch {
    return; // shown outside of Airflow
  }
  const dark = () => document.documentElement.classList.toggle("dark", outer.classList.contains("dark"));
  new MutationObserver(dark).observe(outer, { attributes: true, attributeFilter: ["class"] });
  dark();
}

look();
addEventListener("hashchange", async () => {
  await show();
  document.getElementById("main").focus();
});
show();
