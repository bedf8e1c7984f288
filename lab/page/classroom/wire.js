// The wire, opened up: what passes between client and server, as a sequence diagram that grows downwards.
// Steps are what lab/classroom/wire tells: {connection, at (ns), way, kind, title, note, cursor, took (ns), spans, bytes, …}.

const KEPT = 300; // steps in view
const PX_PER_MS = 0.8; // down the page, between two steps
const FARTHEST = 48; // px; what lies further apart is drawn no further, and its time is said
const NEAR_END = 24; // px
const SILENT = 2000; // ms, after which silence is said
const TINTS = 6; // colours of connections; their numbers tell them apart as well

const PARTS = ["headers", "framing", "payload"];
const WAYS = { up: "client to server", down: "server to client" };
// Else they would be invisible, or do something to the text around them. Bytes that are no UTF-8 came as U+DC80 to U+DCFF.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\udc80-\udcff]/u;

const SIGNS = { 9: "\\t", 10: "\\n", 13: "\\r" }; // Unicode has pictures of them, and many fonts don't

// → {add(steps), clear(), pause(on)}
// What comes while its reader is reading (has scrolled back, opened a step, stands on one) or has paused it, waits.
export function wireView(element) {
  const view = build(element);
  const sum = { events: 0, connections: new Set(), bytes: { headers: 0, framing: 0, payload: 0 } };
  let waiting = [];
  let left = 0; // steps that waited, and then were too many
  let paused = false;
  let first = null; // the instant of the first step
  let last = null; // and of the newest that is drawn
  let due = false;
  let heard = 0; // when there was something to add, in performance.now()
  let listening = 0; // looks for silence, as long as the view is in its page

  function add(steps) {
    if (steps[0]?.anew) clear(); // whoever tells begins again, with what there was so far
    for (const step of steps) count(sum, step);
    waiting.push(...steps);
    if (waiting.length > KEPT) left += waiting.splice(0, waiting.length - KEPT).length;
    heard = performance.now();
    listening ||= setInterval(listen, 1000);
    drawSoon();
  }

  function listen() {
    const silent = performance.now() - heard;
    say(view.silence, silent > SILENT ? `nothing for ${Math.floor(silent / 1000)} s` : "");
    if (element.isConnected) return;
    clearInterval(listening);
    listening = 0;
  }

  function clear() {
    Object.assign(sum, { events: 0, connections: new Set(), bytes: { headers: 0, framing: 0, payload: 0 } });
    waiting = [];
    left = 0;
    first = last = null;
    view.steps.replaceChildren();
    drawSoon();
  }

  function pause(on) {
    paused = on;
    view.pause.setAttribute("aria-pressed", String(on));
    if (on) drawSoon();
    else goOn();
  }

  function goOn() {
    paused = false;
    view.pause.setAttribute("aria-pressed", "false");
    for (const open of view.steps.querySelectorAll("[aria-expanded=true]")) toggle(open);
    if (element.contains(document.activeElement)) view.pause.focus({ preventScroll: true }); // what had it may be gone
    toEnd(view.steps);
    drawSoon();
  }

  function drawSoon() {
    if (due) return;
    due = true;
    requestAnimationFrame(() => { due = false; draw(); });
  }

  function draw() {
    drawSum(view, sum);
    if (!paused && !reading(view.steps)) drawSteps();
    const count = waiting.length + left;
    view.newer.hidden = count === 0;
    if (count) view.newer.textContent = `↓ ${number(count)} newer`;
  }

  function drawSteps() {
    if (!waiting.length) return;
    const rows = [];
    if (left) rows.push(row({ kind: "skipped", way: null, title: `${number(left)} steps passed meanwhile`, connection: waiting[0].connection }));
    for (const step of waiting) {
      first ??= step.at;
      rows.push(row(step, step.at - first, Math.max(0, step.at - (last ?? step.at))));
      last = step.at;
    }
    waiting = [];
    left = 0;
    view.steps.append(...rows);
    while (view.steps.childElementCount > KEPT) view.steps.firstElementChild.remove();
    makeReachable(view.steps, view.steps.lastElementChild);
    toEnd(view.steps);
  }

  view.pause.addEventListener("click", () => pause(!paused));
  view.newer.addEventListener("click", goOn);
  view.steps.addEventListener("scroll", () => { if (waiting.length) drawSoon(); }, { passive: true });
  view.steps.addEventListener("focusout", drawSoon);
  drawSoon();
  return { add, clear, pause };
}

function build(element) {
  const view = {
    sum: make("dl", "wire-sum"),
    bar: make("div", "wire-bar"),
    pause: make("button", "", "Pause"),
    newer: make("button", "wire-newer"),
    silence: make("p", "wire-silence"),
    steps: make("ol", "wire-steps"),
  };
  view.pause.type = view.newer.type = "button";
  view.pause.setAttribute("aria-pressed", "false");
  view.newer.hidden = true;
  view.bar.setAttribute("role", "img");
  view.steps.setAttribute("role", "list"); // which it would not be for everyone without its marks
  view.steps.setAttribute("aria-label", "What passed on the wire, the newest last. Arrow keys move, Enter opens the bytes");
  view.steps.addEventListener("click", clicked);
  view.steps.addEventListener("keydown", moved);
  const tools = make("div", "wire-tools");
  tools.append(make("p", "wire-note", "A step opens to its bytes."), view.silence, view.newer, view.pause);
  const ends = make("div", "wire-ends");
  ends.setAttribute("aria-hidden", "true");
  ends.append(make("span", "", "client"), make("span", "", "server"));
  element.classList.add("wire");
  element.replaceChildren(view.sum, view.bar, tools, ends, view.steps);
  return view;
}

// Counting

function count(sum, { connection, bytes, events = 0 }) {
  sum.connections.add(connection);
  sum.events += events;
  for (const part of PARTS) sum.bytes[part] += bytes[part];
}

function drawSum(view, { events, connections, bytes }) {
  const total = PARTS.reduce((all, part) => all + bytes[part], 0);
  const each = (count) => (events ? number(Math.round(count / events)) : "–");
  const said = [
    ["events", number(events)],
    ["connections", number(connections.size)],
    ["bytes per event", each(total)],
    ...PARTS.map((part) => [part, each(bytes[part])]),
  ];
  if (!view.sum.childElementCount) view.sum.append(...said.map(([name]) => figure(name)));
  said.forEach(([, text], n) => say(view.sum.children[n].lastElementChild, text));
  if (!view.bar.childElementCount) view.bar.append(...PARTS.map((part) => make("span", part)));
  PARTS.forEach((part, n) => { view.bar.children[n].style.flexGrow = String(bytes[part]); });
  const label = total ? PARTS.map((part) => `${part} ${Math.round((bytes[part] / total) * 100)} %`).join(", ") : "nothing yet";
  view.bar.setAttribute("aria-label", `Bytes so far: ${label}`);
}

function figure(name) {
  const pair = make("div", PARTS.includes(name) ? "of" : "");
  pair.append(make("dt", PARTS.includes(name) ? `part ${name}` : "", name), make("dd"));
  return pair;
}

// A step

function row(step, since = null, apart = 0) {
  const item = make("li", `tint-${step.connection % TINTS}`);
  item.dataset.kind = step.kind;
  item.dataset.way = step.way ?? "none";
  const ms = apart / 1e6;
  const far = ms * PX_PER_MS > FARTHEST;
  if (far) item.append(gap(apart));
  const button = make("button", "wire-step");
  button.type = "button";
  button.tabIndex = -1;
  const lane = make("span", "wire-lane");
  lane.style.paddingTop = `${far ? 0 : ms * PX_PER_MS}px`;
  lane.append(label(step), make("span", "wire-arrow"));
  button.append(make("span", "wire-time", since === null ? "" : (since / 1e9).toFixed(3)), badge(step), lane, make("span", "wire-size", size(step)));
  if (step.spans?.length) button.setAttribute("aria-expanded", "false");
  item.append(button);
  item.step = step;
  return item;
}

function gap(apart) {
  const gap = make("p", "wire-gap");
  gap.append(make("span", "wire-lane", `⋮ ${duration(apart)}`));
  return gap;
}

function badge({ connection }) {
  const badge = make("span", "wire-connection", String(connection));
  badge.title = `connection ${connection}`;
  badge.prepend(make("span", "unseen", "connection "));
  return badge;
}

function label({ way, title, note, cursor, took }) {
  const label = make("span", "wire-label");
  if (WAYS[way]) label.append(make("span", "unseen", `${WAYS[way]}: `));
  label.append(make("b", "", title));
  if (cursor !== undefined) label.append(" ", make("span", "wire-cursor", `from ${cursor || "the oldest"}`));
  const notes = [note, took === undefined ? "" : `after ${duration(took)}`].filter(Boolean);
  if (notes.length) label.append(" ", make("span", "wire-note", notes.join(", ")));
  return label;
}

function size({ bytes }) {
  const total = bytes ? PARTS.reduce((all, part) => all + bytes[part], 0) : 0;
  return total ? `${number(total)} B` : "";
}

// Its bytes

function clicked(event) {
  const button = event.target.closest(".wire-step");
  if (!button) return;
  toggle(button);
  makeReachable(event.currentTarget, button.parentElement);
  if (event.detail && button.getAttribute("aria-expanded") !== "true") button.blur(); // a mouse stands nowhere
}

function toggle(button) {
  if (!button.hasAttribute("aria-expanded")) return;
  const open = button.getAttribute("aria-expanded") !== "true";
  button.setAttribute("aria-expanded", String(open));
  if (!open) { button.nextElementSibling.remove(); return; }
  button.after(opened(button.parentElement.step));
  button.nextElementSibling.scrollIntoView({ block: "nearest" });
}

function opened({ connection, way, spans, bytes, unshown }) {
  const box = make("div", "wire-bytes");
  const parts = PARTS.filter((part) => bytes[part]).map((part) => `${number(bytes[part])} ${part}`);
  box.append(make("p", "wire-note", `connection ${connection}${WAYS[way] ? `, ${WAYS[way]}` : ""}; bytes: ${parts.join(", ")}`));
  const text = make("pre");
  text.tabIndex = 0;
  text.setAttribute("aria-label", "the bytes");
  text.append(...spans.map(([part, bytes, mark]) => span(part, bytes, mark)));
  box.append(text);
  if (unshown) box.append(make("p", "wire-note", `… and ${number(unshown)} bytes more, which are not shown`));
  return box;
}

function span(part, text, mark) {
  const span = make("span", `part ${part}${mark ? ` ${mark}` : ""}`);
  span.title = mark ? `${part}: ${mark}` : part;
  span.append(make("span", "unseen", `[${mark === "cursor" ? mark : part}] `), ...visible(mark === "hex" ? `${text} ` : text));
  return span;
}

// The text with everything in it made visible; as text, never as markup.
function* visible(text) {
  let plain = "";
  for (const one of text) {
    if (!UNSEEN.test(one)) { plain += one; continue; }
    if (plain) yield plain;
    plain = one === "\n" ? "\n" : "";
    yield make("span", "control", sign(one.codePointAt(0)));
  }
  if (plain) yield plain;
}

function sign(code) {
  const hex = (value, digits) => value.toString(16).padStart(digits, "0");
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${hex(code - 0xdc00, 2)}`;
  return SIGNS[code] ?? (code < 0x80 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`);
}

// Where the reader is

function reading(steps) {
  const scrolled = steps.scrollHeight - steps.scrollTop - steps.clientHeight > NEAR_END;
  return scrolled || steps.contains(document.activeElement) || steps.querySelector("[aria-expanded=true]") !== null;
}

function toEnd(steps) {
  steps.scrollTop = steps.scrollHeight;
}

// One step is reached by Tab, the others from there by arrows.
function makeReachable(steps, item) {
  for (const one of steps.querySelectorAll(".wire-step[tabindex='0']")) one.tabIndex = -1;
  if (item) item.querySelector(".wire-step").tabIndex = 0;
}

function moved(event) {
  const steps = event.currentTarget;
  const at = event.target.closest(".wire-step")?.parentElement;
  if (!at) return;
  const to = {
    ArrowDown: at.nextElementSibling,
    ArrowUp: at.previousElementSibling,
    Home: steps.firstElementChild,
    End: steps.lastElementChild,
  }[event.key];
  if (event.key === "Escape" && event.target.getAttribute("aria-expanded") === "true") toggle(event.target);
  if (!to) return;
  event.preventDefault();
  makeReachable(steps, to);
  to.querySelector(".wire-step").focus();
}

// Words

function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function number(value) {
  return value.toLocaleString("en");
}

function duration(ns) {
  const ms = ns / 1e6;
  const [value, unit] = ms < 1000 ? [ms, "ms"] : [ms / 1000, "s"];
  return `${value.toFixed(value < 1 ? 2 : value < 10 ? 1 : 0)}\u00a0${unit}`;
}
