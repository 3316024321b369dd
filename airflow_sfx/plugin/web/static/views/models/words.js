// What the views of models share: names of aliases, and metrics as text.

import { number } from "../../words.js";

export const PRODUCTION = "production";

// The alias of the version that was saved last, to which nothing is promoted.
export const LATEST = "latest";

export const metricsOf = (metrics) =>
  Object.entries(metrics)
    .map(([name, value]) => `${name} ${number(value)}`)
    .join(", ");
