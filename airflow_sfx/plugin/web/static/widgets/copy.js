// The button that copies the address of the view.

import { shareable } from "../address.js";
import { h } from "../dom.js";
import { say } from "../status.js";

export const copyLink = () => h("button", { class: "copy", onclick: copy }, "Copy link");

// Browsers give no access to the clipboard without TLS: then the link is shown, selected.
async function copy() {
  const link = shareable();
  try {
    await navigator.clipboard.writeText(link);
    say("The link is copied.");
  } catch {
    const field = h("input", { readonly: true, value: link, "aria-label": "Link to this view" });
    say("Copy this link: ", field);
    field.select();
  }
}
