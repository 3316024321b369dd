// A line over partitions or versions as SVG, with its usual band if it has one. The arrow keys move
// along it, Enter opens the batch or the version; a table of the same figures is below.

import { h, svg, table } from "../dom.js";
import { number, text } from "../words.js";

const [WIDTH, HEIGHT] = [640, 120];
const [TOP, RIGHT, BOTTOM, LEFT] = [8, 8, 24, 8];
const PERCENT = 100;

const format = (line) => (value) =>
  line.metric === "nulls" && value !== null
    ? `${number(PERCENT * value)} %`
    : number(value);

const OF_PARTITIONS = { of: "partition", opens: "batch" };

// Draws a line. `names` are those of its places, `open` is called with a chosen place, and the
// nouns say what a place is and what is opened. A line has `values`, and `lows`, `highs` and
// `anomalous` of its usual band, or `notes`: a text for each place to be marked.
export function chart(title, line, names, open, { of, opens } = OF_PARTITIONS) {
  const shown = format(line);
  const last = names.length - 1;
  const bounds = [...line.values, ...(line.lows ?? []), ...(line.highs ?? [])].filter(
    (one) => one !== null,
  );
  const [low, high] = [Math.min(...bounds), Math.max(...bounds)];
  const x = (place) => LEFT + (last ? place / last : 0.5) * (WIDTH - LEFT - RIGHT);
  const y = (value) =>
    TOP + (high > low ? (high - value) / (high - low) : 0.5) * (HEIGHT - TOP - BOTTOM);
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", class: "chart" },
    ...runs(line.lows ?? []).map((places) => band(places, line, x, y)),
    ...runs(line.values).map((places) => path("line", places, line.values, x, y)),
    ...line.values.flatMap((value, place) =>
      value !== null && note(line, place)
        ? [mark(line.notes ? "note" : "anomaly", x(place), y(value))]
        : [],
    ),
    label(LEFT, HEIGHT - 4, "start", names[0]),
    label(WIDTH - RIGHT, HEIGHT - 4, "end", names[last]),
  );
  drawing.setAttribute("aria-label", summary(title, line, names, shown));
  const cursor = mark("cursor", 0, 0);
  drawing.append(cursor);
  const readout = h("span", { class: "readout", "aria-live": "polite" });
  let at = last;
  const point = (place) => {
    at = Math.min(last, Math.max(0, place));
    const value = line.values[at];
    cursor.setAttribute("cx", x(at));
    cursor.setAttribute("cy", value === null ? HEIGHT - BOTTOM : y(value));
    readout.textContent = sentence(line, names, at, shown);
  };
  point(last);
  const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -names.length, End: names.length };
  const frame = h(
    "div",
    {
      class: "plot",
      tabindex: 0,
      role: "group",
      "aria-label": `${title}; move with the arrow keys, open the ${opens} with Enter`,
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
      const usual = (place) => [shown(line.lows[place]), shown(line.highs[place])];
      const rows = names.map((name, place) => [
        name,
        shown(line.values[place]),
        ...(line.lows ? usual(place) : []),
        note(line, place),
      ]);
      const rest = line.lows ? ["#usually from", "#to", "unusual"] : ["aliases"];
      details.append(table("newest first", [of, `#${title}`, ...rest], rows.reverse()));
    });
    return details;
  }
}

// Why a place is marked, or nothing.
const note = (line, place) =>
  line.notes ? line.notes[place] : line.anomalous[place] ? "unusual" : "";

function summary(title, line, names, shown) {
  const marked = names.filter((_, place) => note(line, place));
  const band = marked.length ? `unusual: ${marked.join(", ")}` : "nothing unusual";
  return [
    `${title} from ${names[0]} to ${names.at(-1)}`,
    sentence(line, names, names.length - 1, shown),
    ...(line.lows ? [band] : []),
  ].join("; ");
}

function sentence(line, names, place, shown) {
  const value = `${text(names[place])}: ${shown(line.values[place])}`;
  const mark = note(line, place) ? `, ${note(line, place)}` : "";
  if (!line.lows) return `${value}${mark}`;
  const usual =
    line.lows[place] === null
      ? "no usual band yet"
      : `usually ${shown(line.lows[place])} to ${shown(line.highs[place])}`;
  return `${value}, ${usual}${mark}`;
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
