// Latency as it happens: a row for each transport or device, a mark for each event, the older the fainter.
import { inks, onLook } from "/lab/look.js";

const SPAN = 10000; // ms that a mark stays
const MARK = 4; // pixels
const DRAWN_EVERY = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : 100; // ms
const LEAST = 0.1; // ms at the left edge, at least

const written = (ms) => `${(ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms.toFixed(2)).replace("-", "−")} ms`;

function half(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
}

// → {add(points), show(state), group("transport" | "device"), freeze(whether), replay(points, number, done)}
export function strips({ canvas, rows, template, ask }) {
  const pen = canvas.getContext("2d");
  const looks = new Map(); // transport → {colour, shape: Path2D, d, title}
  const elements = new Map(); // row → its element
  let by = "transport";
  let points = []; // {seat, ms, at}
  let seats = new Map();
  let conditions = [];
  let stopped = null; // the instant that is shown for as long as it is frozen
  let played = null; // {points, began, number, done}
  let ends = [0, 2]; // decades that are shown
  let colours = null;

  const clock = () => stopped ?? performance.now();

  function add(came) {
    if (stopped !== null || played) return;
    const at = performance.now();
    for (const [seat, ms] of came) points.push({ seat, ms, at });
  }

  function show(state) {
    for (const { name, colour, shape, title } of state.lanes) {
      if (!looks.has(name)) looks.set(name, { colour, shape: new Path2D(shape), d: shape, title });
    }
    seats = new Map(state.seats.map((seat) => [seat.number, seat]));
    conditions = state.conditions ?? [];
    const wanted = by === "transport"
      ? state.lanes.map(({ name, title, way }) => ({ row: name, transport: name, title, way }))
      : state.seats.map(({ number, name, transport }) => ({ row: number, transport, title: name }));
    const held = new Set(wanted.map(({ row }) => row));
    for (const [row, element] of elements) if (!held.has(row)) { element.remove(); elements.delete(row); }
    for (const one of wanted) fill(one);
    rows.classList.toggle("many", by === "device");
  }

  function fill({ row, transport, title, way }) {
    let element = elements.get(row);
    if (!element) {
      element = template.content.firstElementChild.cloneNode(true);
      elements.set(row, element);
      rows.append(element);
      controls(element, row, title);
    }
    element.querySelector(".label span").textContent = title;
    element.querySelector(".label path").setAttribute("d", looks.get(transport).d);
    element.querySelector(".label path").style.fill = looks.get(transport).colour;
    const select = element.querySelector("select");
    if (select && way && document.activeElement !== select) select.value = way;
    element.dataset.way = way ?? "nothing";
  }

  function controls(element, transport, title) {
    const box = element.querySelector(".row");
    if (by === "device" || !conditions.length) { box.remove(); return; }
    const select = element.querySelector("select");
    select.append(...conditions.map((name) => new Option(name)));
    select.setAttribute("aria-label", `In the way of ${title}`);
    select.addEventListener("change", () => ask("lay", { transport, condition: select.value }));
    const button = element.querySelector("button");
    button.setAttribute("aria-label", `Cut ${title}`);
    button.addEventListener("click", () => ask("cut", { transport }));
  }

  function group(which) {
    by = which;
    for (const element of elements.values()) element.remove();
    elements.clear();
  }

  // Drawing

  const rowOf = (seat) => (by === "device" ? seat : seats.get(seat)?.transport);

  function visible() {
    const now = clock();
    if (played) {
      const since = performance.now() - played.began;
      const last = played.points.at(-1)?.[1] ?? 0;
      if (since > last + SPAN / 2) { const { done } = played; played = null; points = []; done(); return []; }
      const from = since - SPAN;
      return played.points.filter(([, at]) => at > from && at <= since).map(([seat, at, ms, transport]) => ({ seat, ms, transport, age: (since - at) / SPAN }));
    }
    points = stopped === null ? points.filter(({ at }) => now - at < SPAN) : points;
    return points.map(({ seat, ms, at }) => ({ seat, ms, age: (now - at) / SPAN }));
  }

  function draw() {
    if (document.hidden || !rows.offsetParent) return;
    const box = canvas.getBoundingClientRect();
    const ratio = devicePixelRatio;
    if (canvas.width !== Math.round(box.width * ratio) || canvas.height !== Math.round(box.height * ratio)) {
      canvas.width = Math.round(box.width * ratio);
      canvas.height = Math.round(box.height * ratio);
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, box.width, box.height);
    const marks = visible();
    ends = reach(marks.map(({ ms }) => ms));
    const x = (ms) => MARK * 2 + (box.width - MARK * 4) * (Math.log10(Math.max(ms, 10 ** ends[0])) - ends[0]) / (ends[1] - ends[0]);
    colours ??= inks(canvas, "ink", "soft", "line");
    scale(x, box, getComputedStyle(canvas));
    const held = new Map();
    for (const mark of marks) {
      const row = by === "transport" ? mark.transport ?? rowOf(mark.seat) : mark.seat;
      const element = elements.get(row);
      if (!element) continue;
      if (!held.has(row)) held.set(row, []);
      held.get(row).push(mark.ms);
      const look = looks.get(mark.transport ?? seats.get(mark.seat)?.transport);
      if (look) stamp(look, x(mark.ms), element, mark);
    }
    for (const [row, element] of elements) middle(element, held.get(row), x);
  }

  // Whole decades around all of them; two at least.
  function reach(values) {
    const seen = values.filter((ms) => ms > LEAST);
    if (!seen.length) return ends;
    const low = Math.floor(Math.log10(seen.reduce((a, b) => Math.min(a, b))));
    const high = Math.ceil(Math.log10(seen.reduce((a, b) => Math.max(a, b))) + 1e-9);
    return [low, Math.max(high, low + 2)];
  }

  function scale(x, box, style) {
    pen.fillStyle = colours.soft;
    pen.strokeStyle = colours.line;
    pen.font = `${style.fontSize} ${style.fontFamily}`;
    pen.textBaseline = "bottom";
    const room = (box.width / (ends[1] - ends[0])) / (parseFloat(style.fontSize) * 3); // labels between two decades
    const every = Math.max(1, Math.ceil(1 / room));
    for (let decade = ends[0]; decade <= ends[1]; decade += 1) {
      const at = Math.round(x(10 ** decade)) + 0.5;
      pen.beginPath();
      pen.moveTo(at, 0);
      pen.lineTo(at, box.height - parseFloat(style.fontSize) * 1.4);
      pen.stroke();
      pen.textAlign = decade === ends[0] ? "left" : decade === ends[1] ? "right" : "center";
      if ((decade - ends[0]) % every === 0) pen.fillText(`${Number((10 ** decade).toPrecision(1))}`, at, box.height);
    }
  }

  function stamp({ colour, shape }, at, element, { seat, age }) {
    const height = element.offsetHeight;
    const off = ((seat * 0.618) % 1 - 0.5) * (by === "transport" ? 0.62 : 0.1) * height; // a device keeps its height
    pen.save();
    pen.globalAlpha = Math.max(0.12, 0.85 * (1 - age));
    pen.fillStyle = colour;
    pen.translate(at, element.offsetTop + height / 2 + off);
    pen.scale(MARK, MARK);
    pen.fill(shape);
    pen.restore();
  }

  function middle(element, values, x) {
    const text = values ? written(half(values)) : "–";
    const shown = element.querySelector(".half");
    if (shown.textContent !== text) shown.textContent = text;
    if (!values) return;
    pen.fillStyle = colours.ink;
    pen.fillRect(x(half(values)) - 1, element.offsetTop + element.offsetHeight * 0.1, 2.5, element.offsetHeight * 0.8);
  }

  onLook(() => { colours = null; });
  setInterval(draw, DRAWN_EVERY);
  return {
    add,
    show,
    group,
    freeze(whether) { stopped = whether ? performance.now() : null; },
    replay(what, number, done) { stopped = null; played = { points: what, began: performance.now(), number, done }; },
    get replaying() { return played !== null; },
  };
}
