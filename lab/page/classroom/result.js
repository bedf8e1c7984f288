// What the class has measured together: a row for each transport, with intervals over devices, and what is not resolved.
const make = (name, text = "", also = {}) => Object.assign(document.createElement(name), { textContent: text, ...also });
const SVG = "http://www.w3.org/2000/svg";

function number(value) {
  if (value === null || value === undefined) return "–";
  const decimals = value ? Math.max(0, Math.min(3, 2 - Math.floor(Math.log10(Math.abs(value))))) : 0;
  return value.toFixed(decimals).replace("-", "−");
}

const brief = (value) => String(Number(value.toPrecision(2)));
const range = ({ low, high }) => (low === null ? "" : `${number(low)}–${number(high)}`);

const WHY = {
  "too few rounds": "fewer than five devices measured both",
  "clock bound": "less than the clocks’ bound",
  "not positive": "some are below zero, within the clocks’ bound",
};

function verdict(pair, mirrored) {
  if (!pair) return "no device measured both";
  const { verdict: word, reason, ratio, low, high, rounds } = mirrored ? turned(pair) : pair;
  if (rounds < 5) return `${word}: ${WHY[reason]}`;
  const times = ratio ? ` ${brief(ratio)} ×${low === null ? "" : ` (${brief(low)}–${brief(high)})`}` : "";
  return `${word}${reason && reason !== "noise" ? `, ${WHY[reason]}` : ""}${times}`;
}

function turned(pair) {
  const word = { faster: "slower", slower: "faster" }[pair.verdict] ?? pair.verdict;
  const over = (value) => (value ? 1 / value : null);
  return { ...pair, verdict: word, ratio: over(pair.ratio), low: over(pair.high), high: over(pair.low) };
}

// → {show(result or undefined, lanes)}
export function result(box) {
  let last;
  let drawn = "";

  function show(what, lanes) {
    if (what !== undefined) last = what;
    const now = JSON.stringify([last, lanes.map(({ name }) => name)]);
    if (now === drawn || !lanes.length) return;
    drawn = now;
    box.replaceChildren(...(last ? table(last, lanes) : [make("p", "Nothing has been measured yet.", { className: "soft" })]));
  }

  function table({ rows, pairs }, lanes) {
    const measured = rows.filter(({ p50 }) => p50);
    const ends = measured.flatMap(({ p50 }) => [p50.low, p50.value, p50.high]).filter((end) => end > 0);
    const made = make("table");
    made.append(head(measured[0], lanes), make("tbody"));
    made.tBodies[0].append(...rows.map((row) => line(row, measured[0], pairs, ends, lanes)));
    const wide = make("div", "", { className: "wide-table", tabIndex: 0 });
    wide.setAttribute("role", "region");
    wide.setAttribute("aria-label", "What the class has measured");
    wide.append(made);
    return [wide, make("p", note(last, lanes), { className: "soft" })];
  }

  function head(first, lanes) {
    const row = make("tr");
    const title = first ? lanes.find(({ name }) => name === first.name)?.title ?? first.name : "the fastest";
    for (const text of ["transport", "devices", "half within, ms", "95 % interval", "", "90 % within, ms", "lost", `against ${title}`]) row.append(make("th", text, { scope: "col" }));
    const made = make("thead");
    made.append(row);
    return made;
  }

  function line(row, first, pairs, ends, lanes) {
    const lane = lanes.find(({ name }) => name === row.name);
    const made = make("tr");
    const title = make("th", "", { scope: "row" });
    if (lane) title.append(swatch(lane));
    title.append(lane?.title ?? row.name);
    const pair = first && pairs.find(({ a, b }) => (a === row.name && b === first.name) || (b === row.name && a === first.name));
    const bar = make("td", "", { className: "bar" });
    if (row.p50 && row.p50.value > 0) bar.append(interval(row.p50, ends, lane?.colour));
    made.append(
      title,
      make("td", `${row.devices}${row.failed ? ` (${row.failed} failed)` : ""}`),
      make("td", row.p50 ? number(row.p50.value) : "–", { className: "big" }),
      make("td", row.p50 ? range(row.p50) : ""),
      bar,
      make("td", row.p90 ? number(row.p90.value) : "–"),
      make("td", `${row.lost} of ${row.sent}`),
      make("td", row === first || !row.p50 ? "" : verdict(pair, pair?.a !== row.name)),
    );
    return made;
  }

  function swatch({ shape, colour }) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", "swatch");
    svg.setAttribute("viewBox", "-1.2 -1.2 2.4 2.4");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", shape);
    path.style.fill = colour;
    svg.append(path);
    return svg;
  }

  // On a logarithmic scale, the same for all rows.
  function interval({ value, low, high }, ends, colour = "currentColor") {
    const [least, most] = [Math.min(...ends), Math.max(...ends)];
    const place = (ms) => (most > least ? 2 + 96 * Math.log(Math.max(ms, least) / least) / Math.log(most / least) : 50);
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 100 12");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    const add = (x, width, y, height) => {
      const rect = document.createElementNS(SVG, "rect");
      for (const [key, at] of Object.entries({ x, width, y, height })) rect.setAttribute(key, at);
      rect.style.fill = colour;
      svg.append(rect);
    };
    if (low !== null) add(place(low), Math.max(0.5, place(high) - place(low)), 4.5, 3);
    add(place(value) - 0.8, 1.6, 0, 12);
    return svg;
  }

  // What lay in each transport's way, in short where it was the same for all.
  function between(links, lanes) {
    const all = new Set(Object.values(links));
    if (all.size === 1) return [...all][0].replace("direct", "nothing");
    return Object.entries(links).map(([name, link]) => `${lanes.find((lane) => lane.name === name)?.title ?? name}: ${link}`).join("; ");
  }

  function note({ rows, pairs, links, basis }, lanes) {
    const bound = Math.max(0, ...rows.map((row) => row.bound ?? 0));
    return `Each device counts once for a transport; intervals are over devices. “Not resolved” does not mean equal. Clocks hold within ±${number(bound)} ms at worst. `
      + `In the way: ${between(links, lanes)}. `
      + (pairs.length ? "" : "To compare transports, let each device through all of them: devices differ more than transports do. ")
      + (basis === "delivery" ? "The source was late: pairs are compared from when events were sent. " : "");
  }

  return { show };
}
