// The confirmation dialog of a change. Nothing is changed before it is confirmed.

import { h } from "../dom.js";
import { busy, showAgain, showError } from "../status.js";

// Runs an action that may fail before its dialog opens, and shows its error.
export async function attempt(action) {
  busy(true);
  try {
    showError("");
    await action();
  } catch (error) {
    showError(error.message);
  }
  busy(false);
}

const NOTE = "No data is deleted, and you can undo this in the same way.";

// Opens the dialog: `details` are shown below the question, `act` makes the change with the reason
// given, and `success` is the message after it. No reason is asked for if `recorded`, which says
// where it goes, is null.
export function confirm({
  question,
  verb,
  details,
  act,
  success,
  note = NOTE,
  possible = true,
  recorded = "in the history",
}) {
  const dialog = document.getElementById("dialog");
  const asked = possible && recorded !== null;
  const reason = h("input", {
    name: "reason",
    maxlength: 2000,
    autocomplete: "off",
    "aria-label": "Reason",
    placeholder: `Reason, recorded ${recorded}`,
  });
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", { id: "question" }, question),
    details,
    h("p", {}, note),
    asked ? reason : null,
    h(
      "p",
      { class: "actions" },
      h("button", { type: "button", onclick: () => dialog.close("no") }, "Cancel"),
      possible ? h("button", { class: "primary", value: "go" }, verb) : null,
    ),
  );
  dialog.replaceChildren(form);
  dialog.onclose = async () => {
    if (dialog.returnValue !== "go") return;
    let failure = "";
    busy(true);
    try {
      await act(reason.value);
    } catch (error) {
      failure = error.message;
    }
    showAgain(failure, failure ? "" : success);
  };
  dialog.returnValue = "no";
  dialog.showModal();
  if (asked) reason.focus();
}
