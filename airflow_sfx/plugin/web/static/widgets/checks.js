// The results of checks before publishing.

import { h, table as rows } from "../dom.js";

// The checks that failed, each with its text, or null if none did.
export function failures(checks) {
  const failed = checks.filter((one) => !one.passed);
  if (!failed.length) return null;
  return h(
    "ul",
    { class: "failures", "aria-label": "Failed checks" },
    failed.map((one) => h("li", {}, h("strong", {}, one.name), ` failed: ${one.detail || "false"}`)),
  );
}

// All checks, or null if there were none.
export function results(checks) {
  if (!checks.length) return null;
  return rows(
    "checks before publishing",
    ["check", "result", "detail"],
    checks.map((one) => [
      one.name,
      h("span", { class: one.passed ? "" : "failed" }, one.passed ? "passed" : "failed"),
      one.detail,
    ]),
  );
}
