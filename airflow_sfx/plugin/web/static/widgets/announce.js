// Announcing what is current in a table again, which starts the DAGs that are scheduled on it.

import { AIRFLOW } from "../address.js";
import { get, post } from "../api.js";
import { airflow, counted, h, link, named, table as rows, WHOLE } from "../dom.js";
import { attempt, confirm } from "./confirm.js";

export const MAX_ANNOUNCED = 100; // partitions at once

const NOTE =
  "No data is changed. A consumer that processes each change once skips one that it has processed.";

// A button that asks and announces the current batches of some partitions.
export function announceButton(name, keys, label = `Announce ${titled(name, keys)} again…`) {
  return h("button", { class: "announce", onclick: () => attempt(() => ask(name, keys)) }, label);
}

const titled = (name, keys) =>
  keys.length === 1
    ? `${name} ${keys[0]}`.trim()
    : `${counted(keys.length, "partition")} of ${name}`;

async function ask(name, keys) {
  const path = `tables/${named(name)}`;
  const found = await get(`${path}/consumers`, { partition: keys });
  const current = Object.entries(found.batches).filter(([, batch]) => batch);
  const ended = keys.filter((key) => !found.batches[key]);
  confirm({
    question: `Announce ${titled(name, keys)} again?`,
    verb: "Announce",
    possible: found.known && current.length > 0,
    details: [
      current.length
        ? rows(
            "current batches",
            ["partition", "batch"],
            current.map(([key, batch]) => [key || WHOLE, link(batch, "batch", name, key, batch)]),
          )
        : null,
      ended.length
        ? h(
            "p",
            { class: "notice" },
            `No batch is current of: ${ended.map((key) => key || WHOLE).join(", ")}. `,
            "Run the DAG that makes it; that announces it.",
          )
        : null,
      consumers(found),
    ],
    note: NOTE,
    recorded: "in the asset event",
    act: (reason) =>
      post(`${path}/announce`, { batches: Object.fromEntries(current), reason }),
    success: `Announced: ${counted(current.length, "asset event")} of ${name}.`,
  });
}

function consumers({ asset, known, consumers: all }) {
  if (!known) {
    const remedy = "a DAG must name it, in its schedule or as an outlet";
    return h("p", { class: "notice" }, `Airflow does not know the asset ${asset}: ${remedy}.`);
  }
  if (!all.length)
    return h(
      "p",
      { class: "notice" },
      `No DAG is scheduled on ${asset}: nothing starts. `,
      "Clear the tasks that made what is stale instead.",
    );
  return [
    h("p", {}, "This starts the DAGs that are scheduled on it:"),
    h(
      "ul",
      {},
      all.map((one) =>
        h(
          "li",
          {},
          airflow(one.dag_id, `${AIRFLOW}/dags/${encodeURIComponent(one.dag_id)}`),
          one.paused ? ", which is paused: it does not start" : "",
        ),
      ),
    ),
  ];
}
