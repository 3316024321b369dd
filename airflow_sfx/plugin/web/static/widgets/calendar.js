// A calendar with one cell per partition: the colour shows its rows or its age, the sign its state.

import { address, age, h, number } from "../dom.js";

const MAX_WEEKS = 80;
const MIN_FOR_MEDIAN = 7;
const DAY = 86_400_000;
const SIGNS = {
  current: "",
  "rolled back": "↺",
  staged: "◇",
  "failed check": "!",
  "foreign change": "?",
};
const RATIOS = [0.5, 0.8, 1.25, 2];
const AGES = [-365, -30, -7, -1];
const SHADES = {
  rows: ["under half", "fewer rows", "usual rows", "more rows", "over double"],
  age: ["over a year", "under a year", "under a month", "under a week", "under a day"],
};

let chosen = "rows";

// Days are laid out as a calendar, with one column per week from Monday on; other partitions, and
// days too far apart, in a row.
export function calendar(name, partitions) {
  const days = partitions.map((one) => day(one.partition));
  const first = days.every(Boolean) ? Math.min(...days) : NaN;
  const monday = first - ((new Date(first).getUTCDay() + 6) % 7) * DAY;
  const dated = (Math.max(...days) - monday) / DAY < MAX_WEEKS * 7;
  const cells = partitions.map((one) => cell(name, one, dated));
  const partitionOf = new Map(cells.map((element, index) => [element, partitions[index]]));
  const months = [];
  cells.forEach((one, index) => {
    if (!dated) return;
    const place = Math.round((days[index] - monday) / DAY);
    one.style.gridArea = `${(place % 7) + 1} / ${Math.floor(place / 7) + 1}`;
    const month = days[index].toLocaleString("en", {
      month: "short",
      year: "numeric",
      timeZone: "UTC",
    });
    if (days[index].getUTCDate() <= 7 && months.at(-1)?.textContent !== month) {
      months.push(h("span", { class: "month", "aria-hidden": true }, month));
      months.at(-1).style.gridColumn = Math.floor(place / 7) + 1;
    }
  });
  if (dated) cells.reverse(); // from old to new
  if (cells.length) cells[0].tabIndex = 0;
  const attributes = {
    class: dated ? "calendar dated" : "calendar",
    "data-colours": chosen,
    role: "group",
    "aria-label": "Partitions; move with the arrow keys",
    onkeydown: move,
  };
  const drawing = h("div", attributes, cells, months);
  const counted = partitions
    .map((one) => one.rows)
    .filter((rows) => rows !== null)
    .sort((a, b) => a - b);
  drawing.partitionOf = partitionOf;
  compare(
    drawing,
    counted.length >= MIN_FOR_MEDIAN ? counted[Math.floor(counted.length / 2)] : null,
  );
  return drawing;
}

// Colours and labels each cell by its rows relative to the usual rows, or null if unknown.
export function compare(drawing, usual) {
  for (const [element, one] of drawing.partitionOf) {
    const ratio = usual && one.rows !== null ? one.rows / usual : null;
    const label = [one.partition, one.state, `${number(one.rows)} rows`, `changed ${age(one.at)}`];
    if (ratio !== null) label.push(`${Math.round(ratio * 100)} % of the usual rows`);
    const days = one.at === null ? null : -(Date.now() - new Date(one.at)) / DAY;
    const shades = `rows-${rank(ratio, RATIOS)} age-${rank(days, AGES)}`;
    element.className = `cell ${one.state.replaceAll(" ", "-")} ${shades}`;
    element.setAttribute("aria-label", label.join(", "));
    element.title = label.join("\n");
  }
}

function cell(name, one, dated) {
  const attributes = { href: address("partition", name, one.partition), tabindex: -1 };
  return h(
    "a",
    attributes,
    SIGNS[one.state],
    dated ? null : h("span", { class: "name" }, one.partition),
  );
}

const rank = (value, bounds) =>
  value === null ? "unknown" : bounds.filter((bound) => value > bound).length;

function day(name) {
  const parts = /^(\d{4})-?(\d\d)-?(\d\d)$/.exec(name);
  return parts
    ? new Date(Date.UTC(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3])))
    : null;
}

function move(event) {
  const cells = [...event.currentTarget.querySelectorAll(".cell")];
  const weeks = event.currentTarget.classList.contains("dated") ? 7 : 1;
  const steps = {
    ArrowRight: weeks,
    ArrowLeft: -weeks,
    ArrowDown: weeks === 7 ? 1 : 7,
    ArrowUp: weeks === 7 ? -1 : -7,
    Home: -cells.length,
    End: cells.length,
  };
  if (!(event.key in steps)) return;
  event.preventDefault();
  const next =
    cells[
      Math.min(
        cells.length - 1,
        Math.max(0, cells.indexOf(document.activeElement) + steps[event.key]),
      )
    ];
  for (const one of cells) one.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

// The legend of colours and signs, with the choice of what colours show.
export function legend(cells) {
  const shades = h("span", { class: "shades" });
  const paint = () => {
    cells.dataset.colours = chosen;
    shades.replaceChildren(
      ...SHADES[chosen].map((text, index) =>
        h(
          "span",
          {},
          h("span", { class: `cell current shade-${index}`, "aria-hidden": true }),
          text,
        ),
      ),
    );
  };
  const choice = (name) =>
    h(
      "label",
      {},
      h("input", {
        type: "radio",
        name: "colours",
        checked: name === chosen,
        onchange: () => {
          chosen = name;
          paint();
        },
      }),
      name,
    );
  paint();
  const states = Object.entries(SIGNS).filter(([, sign]) => sign);
  return h(
    "div",
    { class: "legend" },
    h("fieldset", {}, h("legend", {}, "Colours show"), Object.keys(SHADES).map(choice)),
    shades,
    states.map(([text, sign]) =>
      h(
        "span",
        {},
        h(
          "span",
          { class: `cell ${text.replaceAll(" ", "-")} shade-2`, "aria-hidden": true },
          sign,
        ),
        text,
      ),
    ),
  );
}
