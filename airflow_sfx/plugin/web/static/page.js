// Shows the view that the fragment of the address names; in the tab of a DAG run or a task, its
// changes.

import { adopt, follow, mirror } from "./address.js";
import { startView } from "./api.js";
import { address, h, link, WHOLE } from "./dom.js";
import { busy, showError } from "./status.js";
import { batch } from "./views/batch.js";
import { changes } from "./views/changes.js";
import { diff } from "./views/diff.js";
import { holds } from "./views/holds.js";
import { alias } from "./views/models/alias.js";
import { compare } from "./views/models/compare.js";
import { model } from "./views/models/model.js";
import { models } from "./views/models/models.js";
import { version } from "./views/models/version.js";
import { night } from "./views/night.js";
import { partition } from "./views/partition.js";
import { stale } from "./views/stale.js";
import { streams } from "./views/streams.js";
import { table } from "./views/table.js";
import { tables } from "./views/tables.js";
import { backfill, commit, run } from "./views/unit.js";
import { workbenches } from "./views/workbenches.js";
import { copyLink } from "./widgets/copy.js";

const VIEWS = {
  night,
  tables,
  changes,
  stale,
  holds,
  streams,
  commit,
  backfill,
  table,
  partition,
  batch,
  diff,
  models,
  model,
  alias,
  version,
  compare,
  workbenches,
};
const ALONE = ["night", "tables", "models", "changes", "stale", "holds", "streams"];
if (document.documentElement.dataset.workbenches) ALONE.push("workbenches");
const OF_A_TABLE = ["table", "partition", "batch", "diff"];
const OF_A_MODEL = ["model", "alias", "version", "compare"];

let latest = 0;

// Shows the view, with the error or the success message of the change before it.
async function show(error = "", success = "") {
  const turn = ++latest;
  const main = document.getElementById("main");
  startView();
  busy(true);
  if (error) showError(error);
  document.getElementById("status").textContent = "";
  const query = new URLSearchParams(location.search);
  let view = "";
  let steps = [];
  let content;
  try {
    [view, ...steps] = location.hash.slice(2).split("/").map(decoded);
    const ofRun = query.has("run_id") && !(view in VIEWS);
    content = ofRun
      ? await run(query.get("dag_id"), query.get("run_id"), query.get("task_id"), ...steps)
      : await (VIEWS[view] ?? night)(...steps);
    if (turn === latest) showError(error);
  } catch (failure) {
    if (turn !== latest) return;
    if (failure.kind === "TableNotFound" && isModel(view, steps)) {
      location.replace(addressOfModel(view, ...steps));
      return;
    }
    content = [
      h("h1", {}, "This view cannot be shown"),
      h("button", { onclick: () => show() }, "Try again"),
    ];
    showError(error || failure.message);
  }
  if (turn !== latest) return;
  mirror();
  document.getElementById("path").replaceChildren(...path(view, steps, query), copyLink());
  main.replaceChildren(...content.flat(Infinity).filter(Boolean));
  // to the newest days
  for (const one of main.querySelectorAll(".year")) one.scrollLeft = one.scrollWidth;
  document.title = [main.querySelector("h1")?.textContent, "Batch history"]
    .filter(Boolean)
    .join(" – ");
  document.getElementById("status").textContent = success;
  busy(false);
}

// Models are tables of this database in the log, which no metastore has: links to their batches lead
// to their versions.
const MODELS = "models.";

const isModel = (view, [name]) => OF_A_TABLE.includes(view) && name?.startsWith(MODELS);

function addressOfModel(view, table, alias, ...versions) {
  const name = table.slice(MODELS.length);
  if (view === "partition" && alias) return address("alias", name, alias);
  if (view === "batch") return address("version", name, ...versions);
  return view === "diff" ? address("compare", name, ...versions) : address("model", name);
}

function decoded(step) {
  try {
    return decodeURIComponent(step);
  } catch {
    throw new Error(`"${step}" is not a valid part of an address of this page.`);
  }
}

function path(view, steps, query) {
  const crumbs = query.has("run_id")
    ? [h("a", { href: "#" }, "This run")]
    : ALONE.flatMap((one) => [
        " · ",
        link(`${one[0].toUpperCase()}${one.slice(1)}`, one),
      ]).slice(1);
  if (OF_A_TABLE.includes(view)) crumbs.push(" / ", link(steps[0], "table", steps[0]));
  if (OF_A_TABLE.indexOf(view) > 0)
    crumbs.push(" / ", link(steps[1] || WHOLE, "partition", steps[0], steps[1] ?? ""));
  if (["batch", "diff"].includes(view)) {
    crumbs.push(" / ", h("a", { href: address(view, ...steps) }, steps.slice(2).join(" → ")));
  }
  if (OF_A_MODEL.includes(view)) crumbs.push(" / ", link(steps[0], "model", steps[0]));
  if (["alias", "version", "compare"].includes(view))
    crumbs.push(" / ", h("a", { href: address(view, ...steps) }, steps.slice(1).join(" → ")));
  const here = crumbs.filter(
    (one) =>
      one instanceof HTMLElement && one.getAttribute("href") === (location.hash || "#/night"),
  );
  for (const one of here) one.setAttribute("aria-current", "page");
  return crumbs;
}

// Follows the colour mode of the Airflow page around this one; alone, the mode chosen in Airflow,
// or else the system's.
function followColourMode() {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  if (window.parent === window) {
    const alone = () => {
      const chosen = localStorage.getItem("theme");
      root.classList.toggle(
        "dark",
        ["dark", "light"].includes(chosen) ? chosen === "dark" : system.matches,
      );
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

followColourMode();
adopt();
follow();
document.addEventListener("showagain", ({ detail }) => show(detail.error, detail.success));
// Not hashchange: browsers fire it only where the query stays the same, which has the view, too.
addEventListener("popstate", async () => {
  document.getElementById("dialog").close();
  await show();
  document.getElementById("main").focus({ preventScroll: true });
  scrollTo(0, 0);
});
show();
