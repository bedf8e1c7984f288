// A lane: one transport, followed at an origin of its own, and everything that is shown of it.
import { follow } from "/lab/follow.js";
import { breaks } from "./breaks.js";
import { showCode } from "./code.js";
import { able, next } from "./hiding.js";
import { record } from "./record.js";
import { words } from "./scale.js";
import { ms } from "./servertime.js";
import { spread } from "./spread.js";
import { fates, incident, seen, sentence } from "./story.js";
import { tabs } from "./tabs.js";
import { track } from "./track.js";

const SETTLED = 5000; // ms after which what happens is a story of its own
const REMEMBERED = 100; // what has happened to the connection
const SAID = 120; // characters of the newest event
const ALL_TABS = 6; // beside this page, which is the first
const FLAGS = { cut: "cut", freeze: "frozen", delay: "+ 300 ms", slow: "3G", buffer: "buffered" };

// `given`: what the lab says of it, {origin, look, faults, link}. `stage`: what all lanes share, {clock, ledger, all,
// reader, typed, ask, wire, say, time}.
export function lane(transport, given, stage) {
  const { clock } = stage;
  const element = document.getElementById("lane").content.firstElementChild.cloneNode(true);
  const part = (selector) => element.querySelector(selector);
  const road = track(part(".track"), given.look.colour);
  const shape = spread(part(".spread"));
  const events = record(changed);
  const options = { origin: given.origin, ...stage.reader };
  const more = tabs(transport, options);
  const buttons = breaks(transport.name, transport.title, stage);
  const history = [];
  const now = { state: "stopped", why: "", newest: null, says: "", subject: transport };
  let followed = null;
  let story = null;
  let floor = null; // the event after which it began

  function changed(mark, before) {
    if (mark.state === "lost") mark.lost = clock.now();
    road.changed(mark, before);
    label(mark.entry.key);
  }

  // What somebody has typed is seen among the others. It may be known before or after its event.
  function label(key) {
    const [mark, text] = [events.marks.get(key), stage.typed.get(key)];
    if (mark && text !== undefined) road.label(mark, text);
  }

  // Following

  function start() {
    floor = stage.ledger.newest;
    events.start(floor);
    connect(transport);
  }

  function connect(subject) {
    hangUp();
    const stands = events.front ?? floor;
    const mine = follow(subject.name, {
      cursor: stands ? stands.key : "",
      keep: false,
      ...options,
      on(...news) { if (followed === mine) heard(...news); },
    });
    followed = mine;
    Object.assign(now, { subject, state: "connecting", why: "" });
  }

  function hangUp() {
    followed?.hangUp().catch(() => {}); // what never connected has nothing to hang up
    followed = null;
  }

  function stop() {
    hangUp();
    events.stop();
    more.close();
    for (const open of element.querySelectorAll(".views [aria-expanded=true]")) open.click();
    story = null;
    Object.assign(now, { state: "stopped", why: "" });
  }

  function heard(what, detail) {
    if (what === "event") {
      now.newest = events.arrive(stage.ledger.meet(detail), clock.at(detail.received));
      now.says = detail.data;
      return;
    }
    if (what === "open") opened();
    else if (what === "lost") lost(detail);
    else if (what === "gap") { events.skip(detail); happened("gap", detail); }
  }

  function opened() {
    events.counted ??= clock.now();
    if (now.state !== "open") happened("opened");
    Object.assign(now, { state: "open", why: "" });
  }

  function lost(why) {
    Object.assign(now, { state: "lost", why });
    if (!story || over(story)) begin(incident("lost", clock.now()));
    happened("lost", why);
    if (!able(now.subject)) fallBack();
  }

  function fallBack() {
    const other = next(now.subject, stage.all);
    if (!other) return;
    story.fellBack = other.title;
    connect(other);
  }

  // What has happened

  function happened(what, detail) {
    const one = { what, at: clock.now(), detail };
    history.push(one);
    if (history.length > REMEMBERED) history.shift();
    if (story) seen[what](story, one.at, detail);
    stage.say(element, tell);
  }

  // The page may have seen the consequences before it was told of the cause.
  function begin(one, text) {
    story = one;
    for (const { what, at, detail } of history) if (at >= one.at - clock.bound) seen[what](one, at, detail);
    if (text) road.flag(one.at, text);
    stage.say(element, tell);
  }

  // Whether what comes next is another story.
  function over({ kind, at, ended, lost: noticed, opened: again, up }) {
    if (kind !== "cut" && kind in FLAGS && ended === null) return false;
    if (noticed && again === null) return false;
    return clock.now() - Math.max(at, ended ?? at, again ?? at, up ?? at) > SETTLED;
  }

  // What the lab has done to it.
  function fault({ fault: kind, on, at, connections, faults, link = given.link }) {
    know(faults, link);
    if (now.state === "stopped") return;
    if (on) begin(incident(kind, ms(at), { what: link, connections }), FLAGS[kind]);
    else heal(kind, ms(at));
  }

  // What is wrong with it, told when the page has come back to the lab.
  function know(faults, link) {
    Object.assign(given, { faults, link });
    buttons.show([faults]);
  }

  function heal(kind, at) {
    road.flag(at, "healed");
    if (story?.kind === kind) story.ended = at;
    stage.say(element, tell);
  }

  function server(up, at) {
    if (now.state === "stopped") return;
    road.flag(at, up ? "server up" : "server killed");
    if (!up) begin(incident("server", at));
    else if (story?.kind === "server") story.up = at;
  }

  // The page has lost an interface, or has it again: who uses it connects anew.
  function interfaceChanged(name, gone) {
    if (now.state === "stopped" || !transport.uses.includes(name.toLowerCase())) return;
    begin(incident(gone ? "hide" : "back", clock.now(), { what: name }), gone ? `no ${name}` : name);
    connect(transport);
  }

  function tell() {
    return story ? sentence(story, fates(story, events.marks, clock.now()), clock.now(), stage.time) : "";
  }

  // What is shown of it

  function draw(at) {
    if (now.state !== "stopped") road.draw(at, events.waiting);
  }

  function show() {
    const { subject, state, why, newest } = now;
    element.dataset.state = state;
    const as = subject === transport ? "" : `, fallen back to ${subject.title}`;
    put(".state", `${state}${as}${why ? `: ${why}` : ""}`);
    put(".latest", newest ? words(newest.latency) : "–");
    put(".link", given.link);
    put(".says", clipped(now.says));
    for (const [name, count] of Object.entries(events.counts)) put(`.${name}`, count.toLocaleString("en"));
    put(".waiting", events.waiting.size.toLocaleString("en"));
    for (const name of ["late", "lost", "again", "gaps"]) part(`.${name}`).parentElement.classList.toggle("some", events.counts[name] > 0);
    shape.show(events.recent);
    put(".story", tell());
    put(".others", more.sentence(state === "open"));
    put(".tabs .number", String(more.number + 1));
  }

  // Only what is news to the browser: what stays the same is not laid out again.
  function put(selector, text) {
    const one = part(selector);
    if (one.textContent !== text) one.textContent = text;
  }

  // Panels below it

  function panel(name, opened_) {
    const button = part(`button[data-panel=${name}]`);
    const below = part(`.panel.${name}`);
    button.addEventListener("click", () => {
      below.hidden = !below.hidden;
      button.setAttribute("aria-expanded", String(!below.hidden));
      opened_?.(below, !below.hidden);
    });
  }

  panel("code", (below, shown) => { if (shown) showCode(below, now.subject); });
  panel("tabs");
  panel("wire", (below, shown) => stage.wire(transport.name, below, shown));
  part(".one").addEventListener("click", more.open);
  part(".six").addEventListener("click", () => more.openUntil(ALL_TABS));
  part(".close").addEventListener("click", more.close);

  // One dot, by pointer or by the arrow keys

  const canvas = part("canvas");
  let picked = null;

  function pick(mark) {
    picked = mark;
    road.pick(mark);
    put(".picked", mark ? described(mark) : "");
  }

  function described({ entry, state, latency, times }) {
    const came = { waiting: "on its way", lost: "lost" }[state] ?? `here after ${words(latency)}${state === "late" ? ", late" : ""}`;
    return `Event ${entry.id}, due at ${stage.time(entry.due)}: ${came}${times > 1 ? `, and ${times - 1} more times` : ""}`;
  }

  function step(by) {
    const list = [...events.marks.values()];
    const at = picked ? list.indexOf(picked) + by : list.length - 1;
    if (list.length) pick(list[Math.min(Math.max(at, 0), list.length - 1)]);
  }

  canvas.addEventListener("pointermove", ({ offsetX, offsetY }) => pick(road.nearest(offsetX, offsetY, clock.now())));
  canvas.addEventListener("pointerleave", () => pick(null));
  canvas.addEventListener("blur", () => pick(null));
  canvas.addEventListener("keydown", (press) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[press.key];
    if (!by) return;
    press.preventDefault();
    step(by);
  });

  part("h2 span").textContent = transport.title;
  part("header code").textContent = transport.name;
  part(".at").textContent = `port ${new URL(given.origin).port}`;
  part(".swatch path").setAttribute("d", given.look.path);
  element.style.setProperty("--own", given.look.colour);
  element.dataset.lane = transport.name;
  canvas.setAttribute("aria-label", `${transport.title}: events of the last 10 seconds, by how long each was on its way. Arrow keys go from one to the next`);
  part(".tools").append(buttons.element);
  buttons.show([given.faults]);
  stage.ledger.onEntry((entry) => { if (now.state !== "stopped") events.expect(entry); });

  return {
    element, name: transport.name, start, stop, draw, show, fault, know, label, server, interfaceChanged,
    layout: () => road.layout(events.marks),
    get state() { return now.state; },
    get faults() { return given.faults; },
  };
}

function clipped(data) {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return text.length > SAID ? `${text.slice(0, SAID)}…` : text;
}
