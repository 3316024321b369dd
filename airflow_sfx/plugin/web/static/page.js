// Which view is shown: the part of the address behind "#" says so; a run's or a task's tab shows what that run changed.

import { anew } from "./api.js";
import { batch } from "./batch.js";
import { changes, run } from "./changes.js";
import { diff } from "./diff.js";
import { address, h, link } from "./dom.js";
import { partition } from "./partition.js";
import { table } from "./table.js";
import { tables } from "./tables.js";

const VIEWS = { tables, changes, table, partition, batch, diff };
const OF_A_TABLE = ["table", "partition", "batch", "diff"];
const WHOLE = "(whole table)";

let shown = 0;

// Shows what the address says; `failed` is what went wrong before, `done` what went well: they stay to be read.
export async function show(failed = "", done = "") {
  const turn = ++shown;
  const main = document.getElementById("main");
  anew();
  busy(true);
  if (failed) tell(failed);
  document.getElementById("status").textContent = "";
  const asked = new URLSearchParams(location.search);
  let view = "";
  let steps = [];
  let content;
  try {
    [view, ...steps] = location.hash.slice(2).split("/").map(readable);
    const ofRun = asked.has("run_id") && !(view in VIEWS);
    content = ofRun ? await run(asked.get("dag_id"), asked.get("run_id"), asked.get("task_id"), ...steps) : await (VIEWS[view] ?? tables)(...steps);
    if (turn === shown) tell(failed);
  } catch (error) {
    if (turn !== shown) return;
    content = [h("h1", {}, "Nothing can be shown here"), h("button", { onclick: () => show() }, "Try again")];
    tell(failed || error.message);
  }
  if (turn !== shown) return;
  document.getElementById("path").replaceChildren(...path(view, steps, asked));
  main.replaceChildren(...content.filter(Boolean));
  for (const one of main.querySelectorAll(".calendar.dated")) one.scrollLeft = one.scrollWidth; // the newest days are at its end
  document.title = [main.querySelector("h1")?.textContent, "Batch history"].filter(Boolean).join(" – ");
  document.getElementById("status").textContent = done;
  busy(false);
}

function readable(step) {
  try {
    return decodeURIComponent(step);
  } catch {
    throw new Error(`"${step}" is no part of an address of this page.`);
  }
}

export function busy(now) {
  document.getElementById("main").setAttribute("aria-busy", String(now));
}

export function tell(message) {
  document.getElementById("alert").textContent = message;
}

function path(view, steps, asked) {
  const found = asked.has("run_id") ? [h("a", { href: "#" }, "This run")] : [link("Tables", "tables")];
  if (!asked.has("run_id")) found.push(" · ", link("Changes", "changes"));
  if (OF_A_TABLE.includes(view)) found.push(" / ", link(steps[0], "table", steps[0]));
  if (OF_A_TABLE.indexOf(view) > 0) found.push(" / ", link(steps[1] || WHOLE, "partition", steps[0], steps[1] ?? ""));
  if (["batch", "diff"].includes(view)) {
    found.push(" / ", h("a", { href: address(view, ...steps) }, steps.slice(2).join(" → ")));
  }
  const here = found.filter((one) => one instanceof HTMLElement && one.getAttribute("href") === (location.hash || "#/tables"));
  for (const one of here) one.setAttribute("aria-current", "page");
  return found;
}

// Airflow's own page around this one says whether it is dark; alone, what was chosen there, or else the system.
function look() {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  if (window.parent === window) {
    const alone = () => {
      const chosen = localStorage.getItem("theme");
      root.classList.toggle("dark", ["dark", "light"].includes(chosen) ? chosen === "dark" : system.matches);
    };
    system.addEventListener("change", alone);
    alone();
    return;
  }
  const outer = window.parent.document.documentElement;
  const dark = () => root.classList.toggle("dark", outer.classList.contains("dark"));
  new MutationObserver(dark).observe(outer, { attributes: true, attributeFilter: ["class"] });
  dark();
}

look();
addEventListener("hashchange", async () => {
  document.getElementById("dialog").close();
  await show();
  document.getElementById("main").focus({ preventScroll: true });
  scrollTo(0, 0);
});
show();
