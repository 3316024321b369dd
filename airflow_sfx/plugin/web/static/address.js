// The address of the view, which can be copied, reloaded and opened after a login.
//
// A view is named by the fragment. A server never gets a fragment, so a login would lose it: alone,
// the page also has it in its query; in Airflow's frame, Airflow's own address has it, which
// Airflow keeps through a login.

const framed = window.parent !== window;
const PREFIX = "#/";

// The path of Airflow, which may not be the root of its host.
export const AIRFLOW = location.pathname.replace(/\/sfx\/.*$/, "");

// Shows the view that the address around the page names, if its own address names none.
export function adopt() {
  if (location.hash.startsWith(PREFIX)) return;
  const given = framed
    ? window.parent.location.hash
    : `#${new URLSearchParams(location.search).get("view") ?? ""}`;
  if (given.startsWith(PREFIX)) history.replaceState(history.state, "", given);
}

// Writes the view into the address around the page.
export function mirror() {
  const outer = framed ? window.parent : window;
  const there = new URL(outer.location.href);
  const view = location.hash.startsWith(PREFIX) ? location.hash : "";
  if (framed) {
    there.hash = view;
  } else {
    there.searchParams.delete("view");
    if (view) there.searchParams.set("view", view.slice(1));
  }
  if (there.href !== outer.location.href) outer.history.replaceState(outer.history.state, "", there);
}

// Follows a fragment that a person types into Airflow's address.
export function follow() {
  if (!framed) return;
  const outer = window.parent;
  const typed = () => {
    if (outer.location.hash !== location.hash && outer.location.hash.startsWith(PREFIX))
      location.hash = outer.location.hash;
  };
  outer.addEventListener("hashchange", typed);
  addEventListener("pagehide", () => outer.removeEventListener("hashchange", typed));
}

// The address to give to other people: of the view within Airflow.
export function shareable() {
  if (framed) return window.parent.location.href;
  if (new URLSearchParams(location.search).has("run_id")) return location.href;
  return `${location.origin}${AIRFLOW}/plugin/batch-history${location.hash}`;
}
