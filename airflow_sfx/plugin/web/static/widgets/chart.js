// A line over partitions with its usual band, as SVG. The arrow keys move along it, Enter opens the
// batch; a table of the same figures is below.

import { h, svg, table } from "../dom.js";
import { number, text } from "../words.js";

const [WIDTH, HEIGHT] = [640, 120];
const [TOP, RIGHT, BOTTOM, LEFT] = [8, 8, 24, 8];
const PERCENT = 100;

const format = (line) => (value) =>
  line.metric === "nulls" && value !== null
    ? `${number(PERCENT * value)} %`
    : number(value);

// Draws a line. `partitions` are the names, `open` is called with the place of a chosen one.
export function chart(title, line, partitions, open) {
  const shown = format(line);
  const last = partitions.length - 1;
  const bounds = [...line.values, ...line.lows, ...line.highs].filter((one) => one !== null);
  const [low, high] = [Math.min(...bounds), Math.max(...bounds)];
  const x = (place) => LEFT + (last ? place / last : 0.5) * (WIDTH - LEFT - RIGHT);
  const y = (value) =>
    TOP + (high > low ? (high - value) / (high - low) : 0.5) * (HEIGHT - TOP - BOTTOM);
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", class: "chart" },
    ...runs(line.lows).map((places) => band(places, line, x, y)),
    ...runs(line.values).map((places) => path("line", places, line.values, x, y)),
    ...line.values.flatMap((value, place) =>
      line.anomalous[place] ? [mark("anomaly", x(place), y(value))] : [],
    ),
    label(LEFT, HEIGHT - 4, "start", partitions[0]),
    label(WIDTH - RIGHT, HEIGHT - 4, "end", partitions[last]),
  );
  drawing.setAttribute("aria-label", summary(title, line, partitions, shown));
  const cursor = mark("cursor", 0, 0);
  drawing.append(cursor);
  const readout = h("span", { class: "readout", "aria-live": "polite" });
  let at = last;
  const point = (place) => {
    at = Math.min(last, Math.max(0, place));
    const value = line.values[at];
    cursor.setAttribute("cx", x(at));
    cursor.setAttribute("cy", value === null ? HEIGHT - BOTTOM : y(value));
    readout.textContent = sentence(line, partitions, at, shown);
  };
  point(last);
  const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -partitions.length, End: partitions.length };
  const frame = h(
    "div",
    {
      class: "plot",
      tabindex: 0,
      role: "group",
      "aria-label": `${title}; move with the arrow keys, open the batch with Enter`,
      onkeydown: (event) => {
        if (event.key === "Enter") open(at);
        if (!(event.key in steps)) return;
        event.preventDefault();
        point(at + steps[event.key]);
      },
      onmousemove: (event) => {
        const { left, width } = drawing.getBoundingClientRect();
        const along = ((event.clientX - left) / width) * WIDTH - LEFT;
        point(Math.round((along / (WIDTH - LEFT - RIGHT)) * last));
      },
      onclick: () => open(at),
    },
    drawing,
  );
  return h("figure", {}, h("figcaption", {}, h("strong", {}, title), " ", readout), frame, figures());

  function figures() {
    const details = h("details", {}, h("summary", {}, "As a table"));
    details.addEventListener("toggle", () => {
      if (details.querySelector("table")) return;
      const rows = partitions.map((name, place) => [
        name,
        shown(line.values[place]),
        shown(line.lows[place]),
        shown(line.highs[place]),
        line.anomalous[place] ? "unusual" : "",
      ]);
      const headings = ["partition", `#${title}`, "#usually from", "#to", "unusual"];
      details.append(table("newest first", headings, rows.reverse()));
    });
    return details;
  }
}

function summary(title, line, partitions, shown) {
  const unusual = partitions.filter((_, place) => line.anomalous[place]);
  return [
    `${title} from ${partitions[0]} to ${partitions.at(-1)}`,
    sentence(line, partitions, partitions.length - 1, shown),
    unusual.length ? `unusual: ${unusual.join(", ")}` : "nothing unusual",
  ].join("; ");
}

function sentence(line, partitions, place, shown) {
  const usual =
    line.lows[place] === null
      ? "no usual band yet"
      : `usually ${shown(line.lows[place])} to ${shown(line.highs[place])}`;
  const mark = line.anomalous[place] ? ", unusual" : "";
  return `${text(partitions[place])}: ${shown(line.values[place])}, ${usual}${mark}`;
}

// The stretches of places with a value, as a line has gaps where figures are unknown.
function runs(values) {
  const found = [];
  values.forEach((value, place) => {
    if (value === null) return;
    if (place && values[place - 1] !== null) found.at(-1).push(place);
    else found.push([place]);
  });
  return found;
}

function path(name, places, values, x, y) {
  if (places.length === 1) return mark("single", x(places[0]), y(values[places[0]]));
  const points = places.map((place) => `${x(place).toFixed(1)},${y(values[place]).toFixed(1)}`);
  return svg("polyline", { class: name, points: points.join(" ") });
}

function band(places, line, x, y) {
  const corner = (values) => (place) => `${x(place).toFixed(1)},${y(values[place]).toFixed(1)}`;
  const points = [...places.map(corner(line.highs)), ...places.toReversed().map(corner(line.lows))];
  return svg("polygon", { class: "band", points: points.join(" ") });
}

const mark = (name, cx, cy) => svg("circle", { class: name, cx, cy, r: 4 });

const label = (x, y, anchor, name) => svg("text", { x, y, "text-anchor": anchor }, name ?? "");
