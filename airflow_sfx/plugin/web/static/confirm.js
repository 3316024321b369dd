// The question before a change: what will be, and who is concerned. Nothing is done until it is answered.

import { h } from "./dom.js";
import { busy, tell } from "./page.js";

// Does something that may fail before anything is asked, and says so.
export async function attempt(action) {
  busy(true);
  try {
    tell("");
    await action();
  } catch (error) {
    tell(error.message);
  }
  busy(false);
}

export function ask({ question, verb, told, act, done, said, possible = true }) {
  const dialog = document.getElementById("dialog");
  const reason = h("input", { name: "reason", maxlength: 2000, "aria-label": "Why", placeholder: "Why, for the history", autocomplete: "off" });
  const form = h("form", { method: "dialog" },
    h("h2", { id: "question" }, question), told,
    h("p", {}, "No data are deleted; this can be undone in the same way."),
    possible ? reason : null,
    h("p", { class: "actions" },
      h("button", { type: "button", onclick: () => dialog.close("no") }, "Cancel"),
      possible ? h("button", { class: "primary", value: "go" }, verb) : null));
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
    await done(failed, failed ? "" : said);
  };
  dialog.returnValue = "no";
  dialog.showModal();
  if (possible) reason.focus();
}
