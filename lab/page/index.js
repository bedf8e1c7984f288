// The start page: a lane for each transport, all of them following the same log.
import { follow } from "/lab/follow.js";
import { list, origins } from "/lab/transports.js";
import { pace } from "/lab/pace.js";

const CALM = matchMedia("(prefers-reduced-motion: reduce)").matches;
const DRAWN_EVERY = CALM ? 1000 : 100; // ms, however many events come
const SHOWN = 600; // characters of the newest event

const byId = (id) => document.getElementById(id);

// A transport, shown: what it is doing, what came, and a button to start and stop it.
function lane({ name, title }, origin) {
  const element = byId("lane").content.firstElementChild.cloneNode(true);
  const part = (selector) => element.querySelector(selector);
  const speed = pace();
  const now = { state: "stopped", why: "", events: 0, gaps: 0, newest: undefined };
  let followed = null;
  let drawn = false;

  function set(changes) {
    Object.assign(now, changes);
    drawn = false;
  }

  // What a connection says after it was hung up is no news.
  function start() {
    const mine = follow(name, { origin, keep: false, on(...news) { if (followed === mine) on(...news); } });
    followed = mine;
    set({ state: "connecting", why: "" });
  }

  function on(what, detail) {
    if (what === "open") set({ state: "open", why: "" });
    else if (what === "lost") set({ state: "lost", why: detail });
    else if (what === "gap") set({ gaps: now.gaps + 1 });
    else if (what === "event") {
      speed.count();
      set({ events: now.events + 1, newest: detail.data });
    }
  }

  function stop() {
    followed?.hangUp().catch(() => {}); // what never connected has nothing to hang up
    followed = null;
    set({ state: "stopped", why: "" });
  }

  function draw() {
    part(".rate").textContent = speed.perSecond().toFixed(1);
    part("path").setAttribute("d", speed.bars(20));
    if (drawn) return;
    drawn = true;
    element.dataset.state = now.state;
    part(".state").textContent = now.why ? `${now.state}: ${now.why}` : now.state;
    part(".events").textContent = now.events.toLocaleString("en");
    part(".gaps").textContent = now.gaps.toLocaleString("en");
    part(".newest").textContent = now.newest === undefined ? "" : clipped(now.newest);
    part("button").textContent = followed ? "Stop" : "Start";
    part("button").setAttribute("aria-label", `${followed ? "Stop" : "Start"} ${title}`);
  }

  part("h2").textContent = title;
  part("code").textContent = `${name} at ${origin.replace(/^https?:\/\//, "")}`;
  part("button").addEventListener("click", () => { if (followed) stop(); else start(); });
  draw();
  return { element, start, stop, draw, get state() { return now.state; } };
}

function clipped(data) {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

// The server's origins by the name that this page was loaded by.
async function reachable() {
  const here = (await origins()).filter((origin) => new URL(origin).hostname === location.hostname);
  return here.length ? here : [location.origin];
}

function summary(lanes) {
  const open = lanes.filter(({ state }) => state === "open").length;
  return `${open} of ${lanes.length} open`;
}

// Says it only when it is news, or a screen reader would never be silent.
function say(text) {
  if (byId("summary").textContent !== text) byId("summary").textContent = text;
}

async function main() {
  const [transports, reached] = await Promise.all([list(), reachable()]);
  const variant = ({ name }) => name.includes(":");
  const sorted = [...transports.filter((one) => !variant(one)), ...transports.filter(variant)];
  const all = sorted.map((one, n) => ({ one, lane: lane(one, reached[n % reached.length]) }));
  const plain = all.filter(({ one }) => !variant(one)).map(({ lane }) => lane);
  const variants = all.filter(({ one }) => variant(one)).map(({ lane }) => lane);
  let lanes = [];

  function show(some) {
    for (const one of lanes) if (!some.includes(one)) one.stop();
    for (const one of some) if (!lanes.includes(one)) one.start();
    lanes = some;
    byId("lanes").replaceChildren(...lanes.map(({ element }) => element));
  }
  const choose = () => show(byId("variants").checked ? [...plain, ...variants] : plain);

  const running = () => lanes.filter(({ state }) => state !== "stopped");
  byId("all").addEventListener("click", () => {
    if (running().length) running().forEach((one) => one.stop());
    else lanes.forEach((one) => one.start());
  });
  byId("variants").addEventListener("change", choose);
  choose();
  byId("all").hidden = false;
  setInterval(() => {
    if (document.hidden) return;
    for (const one of lanes) one.draw();
    byId("all").textContent = running().length ? "Stop all" : "Start all";
    say(summary(lanes));
  }, DRAWN_EVERY);
}

main().catch((error) => say(`The lab can't be reached (${error.message}): is it open? Then reload this page.`));
