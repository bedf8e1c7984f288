// Drawings of lessons, in SVG: as wide as their place, in its type size, drawn anew when either changes.

const SPACE = "http://www.w3.org/2000/svg";
const MARGIN = 1.5; // rem at each side of an axis
const CHARACTER = 0.5; // rem, about
const LINE = 1.15; // rem from one line of text to the next
const CURVE = { high: 15, left: 4, right: 1, top: 2, bottom: 2.5 }; // rem

export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const text = (x, y, said, attributes = {}) => svg("text", { x, y, ...attributes }, said);
// A text in as many lines as it takes, the first at y. → [element, how much lower its last line is].
function wrapped(x, y, said, { width, rem }, attributes = {}) {
  const most = Math.max(8, Math.floor((width - x) / (CHARACTER * rem)));
  const lines = [""];
  for (const word of said.split(" ")) {
    if (lines.at(-1) && lines.at(-1).length + word.length >= most) lines.push(word);
    else lines[lines.length - 1] += `${lines.at(-1) && " "}${word}`;
  }
  const spans = lines.map((line, nth) => svg("tspan", { x, dy: nth ? LINE * rem : 0 }, line));
  return [svg("text", { x, y, ...attributes }, ...spans), (lines.length - 1) * LINE * rem];
}

const rounded = (at) => Math.round(at * 10) / 10;

// Calls draw({width, rem}) for what is to stand in the place, now and whenever its size has changed.
export function drawn(place, draw) {
  place.redraw?.disconnect();
  let last = "";
  const again = () => {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const width = place.clientWidth;
    if (!width || last === `${width} ${rem}`) return;
    last = `${width} ${rem}`;
    place.replaceChildren(draw({ width, rem }));
  };
  place.redraw = new ResizeObserver(again);
  place.redraw.observe(place);
  place.redraw.observe(document.body); // which grows with the type, where the place does not
  again();
}

// --- scales ---

// From values to px. `log` where there is nothing at or below 0.
export function scale([low, high], [from, to], log = false) {
  const of = log ? Math.log10 : (value) => value;
  const span = of(high) - of(low) || 1;
  return (value) => rounded(from + (of(value) - of(low)) / span * (to - from));
}

export function ticks([low, high], log, most) {
  if (log) {
    const found = [];
    for (let at = 10 ** Math.ceil(Math.log10(low) - 1e-9); at <= high * 1.0001; at *= 10) found.push(at);
    const every = Math.ceil(found.length / most);
    return found.filter((_, nth) => nth % every === 0);
  }
  const rough = (high - low) / most;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * size).find((one) => one >= rough);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-6; at += step) found.push(Number(at.toPrecision(12)));
  return found;
}

export const told = (value) => (Math.abs(value) >= 1 ? value.toLocaleString("en", { maximumFractionDigits: 2 })
  : String(Number(value.toPrecision(2))));

// What an axis has to hold, with some room.
function domain(values, log) {
  const known = values.filter((one) => Number.isFinite(one));
  if (log) {
    const low = 10 ** Math.floor(Math.log10(Math.min(...known)));
    return [low, Math.max(10 ** Math.ceil(Math.log10(Math.max(...known))), low * 10)];
  }
  const low = Math.min(0, ...known);
  const high = Math.max(0, ...known) * 1.08;
  return [low, high > low ? high : low + 1];
}

function axis(at, of, log, unit, { width, rem }) {
  const most = Math.max(2, Math.floor((width - 2 * MARGIN * rem) / (5 * rem)));
  const group = svg("g", { class: "axis" });
  for (const value of ticks(of, log, most)) {
    const x = at.x(value);
    group.append(
      svg("path", { d: `M${x} ${at.top}V${at.bottom}` }),
      text(x, at.bottom + rem, told(value), { "text-anchor": "middle" }),
    );
  }
  if (unit) group.append(text(width, at.bottom + 2.1 * rem, unit, { "text-anchor": "end" }));
  return group;
}

function canvas(width, height, label, ...children) {
  const attributes = { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label };
  return svg("svg", attributes, ...children);
}

const positive = (values) => values.length > 0 && values.every((one) => one > 0);
const wide = (values) => positive(values) && Math.max(...values) / Math.min(...values) > 30;
const ends = ({ value, low, high }) => [value, low, high].filter((one) => one !== null);

function across({ width, rem }, of, log) { return scale(of, [MARGIN * rem, width - MARGIN * rem], log); }

// An interval with its value.
function interval({ value, low, high }, x, y, rem, kind = "measured") {
  const group = svg("g", { class: kind });
  if (low !== null && high !== null) {
    const length = Math.max(rounded(x(high) - x(low)), 2);
    group.append(svg("rect", { x: x(low), y: y - 0.3 * rem, width: length, height: 0.6 * rem, rx: 3 }));
  }
  if (value !== null) group.append(svg("circle", { cx: x(value), cy: y, r: 0.28 * rem }));
  return group;
}

// --- what appears while a run goes on ---

// A row for each value: a dot for each of its rounds; `figures` (by value, may lack any) add interval and number.
export function strip({ title, log, unit, rows }, dots, figures, size) {
  const { width, rem } = size;
  const known = rows.flatMap(({ value }) => [...dots[value], ...(figures[value] ? ends(figures[value]) : [])]);
  const logarithmic = log && positive(known);
  const of = domain(known.length ? known : [1], logarithmic);
  const x = across(size, of, logarithmic);
  const parts = [];
  let y = -0.6 * rem;
  for (const row of rows) {
    const figure = figures[row.value];
    const said = figure ? `${row.label}: ${figure.long}` : row.label;
    const [label, lower] = wrapped(0, y + 1.9 * rem, said, size, { class: "label" });
    y += 2.85 * rem + lower;
    parts.push(label);
    if (figure) parts.push(interval(figure, x, y, rem, "behind"));
    for (const value of dots[row.value]) {
      if (logarithmic && value <= 0) continue;
      const put = `translate(${x(value)} ${y}) scale(${0.32 * rem})`;
      parts.push(svg("path", { d: row.path, transform: put, fill: row.colour, class: "dot" }));
    }
  }
  const bottom = y + 0.9 * rem;
  const under = axis({ x, top: 0, bottom }, of, logarithmic, unit, size);
  return canvas(width, bottom + 2.4 * rem, title, under, ...parts);
}

// --- a prediction against what was measured ---

export function confronted(question, size) {
  return { number: numbers, choice: bins, ranking: stairs, curve: curves }[question.kind](question, size);
}

const OURS = "what you said";
const THEIRS = "measured";

function numbers({ given, figures: [figure], unit, ask }, size) {
  const { width, rem } = size;
  const all = [given, ...ends(figure)];
  const log = wide(all);
  const of = domain(all, log);
  const x = across(size, of, log);
  const y = 2.6 * rem;
  const bottom = 4.2 * rem;
  return canvas(width, bottom + 2.4 * rem, ask,
    axis({ x, top: rem, bottom }, of, log, unit, size),
    pointer(x(given), y - 0.5 * rem, rem, `${OURS}: ${told(given)} ${unit}`, width),
    interval(figure, x, y, rem),
    aside(x(figure.value ?? 0), y + 1.3 * rem, `${THEIRS}: ${figure.text}`, width, rem, "measured"));
}

// A triangle that points down at y, and what it is above it.
function pointer(x, y, rem, said, width) {
  const half = 0.4 * rem;
  return svg("g", { class: "given" },
    svg("path", { d: `M${x} ${y}l${-half} ${-1.6 * half}h${2 * half}Z` }),
    aside(x, y - 0.9 * rem, said, width, rem, "given"));
}

// Text around x, kept within the drawing.
function aside(x, y, said, width, rem, kind) {
  const half = said.length * CHARACTER * rem / 2;
  const anchor = x - half < 0 ? "start" : x + half > width ? "end" : "middle";
  const at = { start: 0, end: width, middle: x }[anchor];
  return text(at, y, said, { "text-anchor": anchor, class: kind });
}

function bins({ labels, below, given, right, figures: [figure], unit, ask }, size) {
  const { width, rem } = size;
  const parts = [];
  let y = -0.6 * rem;
  labels.forEach((label, nth) => {
    y += 1.7 * rem;
    const kind = `option${nth === given ? " given" : ""}${nth === right ? " measured" : ""}`;
    const signs = [nth === given ? "▶" : "", nth === right ? "●" : ""].filter(Boolean).join(" ");
    const said = [nth === given ? OURS : "", nth === right ? THEIRS : ""].filter(Boolean).join(", ");
    const [option, lower] = wrapped(2.4 * rem, y, said ? `${label} (${said})` : label, size, { class: kind });
    parts.push(text(0, y, signs, { class: kind }), option);
    y += lower;
  });
  const top = y + 1.6 * rem;
  const all = [...below, ...(figure.value === null ? [] : ends(figure))];
  if (!all.length) return canvas(width, top, ask, ...parts);
  const log = wide(all);
  const of = domain(all, log);
  const x = across(size, of, log);
  parts.push(axis({ x, top, bottom: top + 2 * rem }, of, log, unit, size));
  for (const end of below) parts.push(svg("path", { d: `M${x(end)} ${top - 0.3 * rem}v${2.6 * rem}`, class: "limit" }));
  if (figure.value !== null) parts.push(interval(figure, x, top + rem, rem));
  return canvas(width, top + 4.6 * rem, ask, ...parts);
}

// The items in the predicted order: where that is right, each mark is further right than the one above.
function stairs({ labels, given, figures, unit, ask }, size) {
  const { width, rem } = size;
  const all = figures.flatMap(ends);
  const log = wide(all);
  const of = domain(all.length ? all : [1], log);
  const x = across(size, of, log);
  const parts = [];
  let y = -0.6 * rem;
  given.forEach((which, nth) => {
    const said = `${nth + 1}. ${labels[which]}: ${figures[which].text}`;
    const [label, lower] = wrapped(0, y + 1.8 * rem, said, size, { class: "label" });
    y += 2.7 * rem + lower;
    parts.push(label, interval(figures[which], x, y, rem));
  });
  const bottom = y + 0.9 * rem;
  return canvas(width, bottom + 2.4 * rem, ask, axis({ x, top: 0, bottom }, of, log, unit, size), ...parts);
}

function paper({ xs, low, high, x, y, unit }, { width, rem }) {
  const height = CURVE.high * rem;
  const left = CURVE.left * rem;
  const right = width - CURVE.right * rem;
  const top = CURVE.top * rem;
  const bottom = height - CURVE.bottom * rem;
  const inset = Math.min(1.5 * rem, (right - left) / 8);
  const along = scale([xs[0], xs.at(-1)], [left + inset, right - inset]);
  const up = scale([low, high], [bottom, top]);
  const grid = svg("g", { class: "axis" });
  for (const at of xs) {
    grid.append(svg("path", { d: `M${along(at)} ${top}V${bottom}` }),
      text(along(at), bottom + rem, told(at), { "text-anchor": "middle" }));
  }
  for (const at of ticks([low, high], false, 5)) {
    grid.append(svg("path", { d: `M${left} ${up(at)}H${right}` }),
      text(left - 0.4 * rem, up(at) + 0.3 * rem, told(at), { "text-anchor": "end" }));
  }
  grid.append(text(right, bottom + 2.1 * rem, x, { "text-anchor": "end" }), text(0, 0.7 * rem, `${y}, ${unit}`));
  return { height, along, up, grid };
}

const path = (points) => points.map(([x, y], nth) => `${nth ? "L" : "M"}${x} ${y}`).join("");

function curves({ xs, x, y, low, high, unit, given, figures, ask }, size) {
  const { width, rem } = size;
  const known = figures.flatMap(ends);
  const of = { xs, x, y, unit, low: Math.min(low, ...known), high: Math.max(...given, ...known) * 1.08 || high };
  const { height, along, up, grid } = paper(of, size);
  return canvas(width, height + 1.6 * rem, ask, grid,
    curve("given", xs, given, along, up, rem),
    measuredCurve(xs, figures, along, up, rem),
    ...legend("given", OURS, 0, height + rem, rem),
    ...legend("measured", THEIRS, width / 2, height + rem, rem));
}

// A piece of such a line, and what it is.
function legend(kind, said, x, y, rem) {
  const line = svg("path", { d: `M${x} ${y - 0.3 * rem}h${2 * rem}` });
  return [svg("g", { class: `${kind} line` }, line), text(x + 2.5 * rem, y, said, { class: kind })];
}

// A line through what is known of it, with a dot at each point.
function curve(kind, xs, values, along, up, rem, ...besides) {
  const points = xs.flatMap((at, nth) => (values[nth] === null ? [] : [[along(at), up(values[nth])]]));
  const dots = points.map(([cx, cy]) => svg("circle", { cx, cy, r: 0.28 * rem }));
  return svg("g", { class: `${kind} line` }, svg("path", { d: path(points) }), ...besides, ...dots);
}

function measuredCurve(xs, figures, along, up, rem) {
  const bars = xs.map((at, nth) => {
    const { low, high } = figures[nth];
    return low === null || high === null ? "" : `M${along(at)} ${up(low)}V${up(high)}`;
  });
  return curve("measured", xs, figures.map(({ value }) => value), along, up, rem, svg("path", { d: bars.join(""), class: "bars" }));
}

// What many have sketched, thin, with the middle of it at each point; and what was measured, once it is (`figures`).
// `most`: what the axis has to hold besides, so that several drawings can be compared.
export function sketches({ xs, x, y, low, high, unit, given, figures, most, ask }, size) {
  const { width, rem } = size;
  const known = figures.flatMap(ends);
  const of = { xs, x, y, unit, low: Math.min(low, ...known), high: Math.max(0, most, ...known) * 1.08 || high };
  const { height, along, up, grid } = paper(of, size);
  const middle = given.length ? xs.map((_, nth) => half(given.map((values) => values[nth]))) : [];
  const all = given.map((values) => svg("path", { d: path(xs.map((at, nth) => [along(at), up(values[nth])])) }));
  const parts = [svg("g", { class: "sketches" }, ...all)];
  if (given.length) parts.push(curve("given", xs, middle, along, up, rem), ...legend("given", "their middle", 0, height + rem, rem));
  if (known.length) {
    parts.push(measuredCurve(xs, figures, along, up, rem), ...legend("measured", THEIRS, width / 2, height + rem, rem));
  }
  const said = middle.length ? `their middle is ${middle.map(told).join(", ")} ${unit}` : "none yet";
  return canvas(width, height + 1.6 * rem, `${ask}: ${given.length} sketches, ${said}`, grid, ...parts);
}

function half(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const at = (sorted.length - 1) / 2;
  return (sorted[Math.floor(at)] + sorted[Math.ceil(at)]) / 2;
}

// --- a sheet to sketch on ---

// → {draw(values)}: null is not drawn. set(nth, value) is called where somebody draws. Keys are the fields' business.
export function sheet(place, axes, set) {
  let values = axes.xs.map(() => null);
  let drawing = null;
  let at = null;

  function build(size) {
    at = paper(axes, size);
    const line = svg("g", { class: "given line" });
    drawing = canvas(size.width, at.height, `${axes.y}: your sketch`, at.grid, line);
    drawing.classList.add("sheet");
    drawing.onpointerdown = (event) => { drawing.setPointerCapture(event.pointerId); put(event); };
    drawing.onpointermove = (event) => { if (drawing.hasPointerCapture(event.pointerId)) put(event); };
    fill(line, size.rem);
    drawing.fill = () => fill(line, size.rem);
    return drawing;
  }

  function put(event) {
    if (place.closest("fieldset")?.disabled) return;
    const box = drawing.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const away = axes.xs.map((one) => Math.abs(at.along(one) - x));
    const nth = away.indexOf(Math.min(...away));
    const [bottom, top] = [at.up(axes.low), at.up(axes.high)];
    const share = Math.min(1, Math.max(0, (bottom - y) / (bottom - top)));
    set(nth, Number((axes.low + share * (axes.high - axes.low)).toPrecision(3)));
  }

  function fill(line, rem) {
    const points = axes.xs.flatMap((x, nth) => (Number.isFinite(values[nth]) ? [[at.along(x), at.up(values[nth])]] : []));
    const dots = points.map(([cx, cy]) => svg("circle", { cx, cy, r: 0.45 * rem }));
    line.replaceChildren(svg("path", { d: path(points) }), ...dots);
  }

  drawn(place, build);
  return { draw(given) { values = given; drawing?.fill(); } };
}
