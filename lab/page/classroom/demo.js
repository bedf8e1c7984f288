// The demo page: one source at the top, and a lane for each transport, all of them fed by the same events.
import { onLook } from "/lab/look.js";
import { list } from "/lab/transports.js";
import { breaks } from "./breaks.js";
import { channel, takeKey } from "./channel.js";
import { frames } from "./frames.js";
import { giveBack, hide } from "./hiding.js";
import { lane } from "./lane.js";
import { ledger } from "./ledger.js";
import { words } from "./scale.js";
import { ms, serverClock } from "./servertime.js";
import { source } from "./source.js";
import { strip } from "./strip.js";
import { wireView } from "./wire.js";

const SHOWN_EVERY = 250; // ms, for words and figures; dots move with each frame
const QUIET = 1500; // ms after which what has happened is read out
const CALLED = 24; // characters of what was typed, beside its dot
const READ_OUT = 2; // lanes at most
const CALM = matchMedia("(prefers-reduced-motion: reduce)");
const HIDDEN = "EventSource"; // the interface that old browsers lack
const byId = (id) => document.getElementById(id);

// What went wrong with a request, or is wrong with the page, where everyone sees it.
function complain(sentence) {
  byId("trouble").textContent = sentence;
}

function status(text) {
  if (byId("status").textContent !== text) byId("status").textContent = text;
}

// Reads out what has happened, once it is quiet: a screen reader that is told of everything tells nothing.
function announcer() {
  const news = new Map();
  let timer;

  function readOut() {
    const told = [...news].slice(0, READ_OUT).map(([element, tell]) => `${element.querySelector("h2").textContent}: ${tell()}`);
    if (news.size > READ_OUT) told.push(`And ${news.size - READ_OUT} more lanes.`);
    byId("news").textContent = told.join(" ");
    news.clear();
  }

  return (element, tell) => {
    news.set(element, tell);
    clearTimeout(timer);
    timer = setTimeout(readOut, QUIET);
  };
}

async function main() {
  const key = takeKey();
  const [clock, all] = await Promise.all([serverClock(), list()]);
  const sent = ledger();
  const ticks = strip(byId("strip"));
  const meter = frames();
  const lanes = new Map();
  const wires = new Map();
  const watched = new Set(); // lanes whose wire is open
  const typed = new Map(); // by the event's key: what it is called in the tracks
  const controls = source(byId("source"), { ask, published });
  const everywhere = breaks(null, "every lane", { ask });
  let told = null; // the lab's state, when it was told last

  const stage = {
    clock, ledger: sent, all, typed, ask, wire, say: announcer(),
    time(at) {
      const date = new Date(performance.timeOrigin + clock.page(at));
      return `${date.toLocaleTimeString("en-GB")}.${String(date.getMilliseconds()).padStart(3, "0")}`;
    },
  };

  // → what the lab answers; undefined where it refuses, which is then shown.
  async function ask(what, rest) {
    try {
      const answer = await line.ask(what, rest);
      complain("");
      return answer ?? null;
    } catch (error) {
      complain(error.message);
      return undefined;
    }
  }

  function published(key, text) {
    typed.set(key, text.length > CALLED ? `${text.slice(0, CALLED)}…` : text);
    for (const one of lanes.values()) one.label(key);
  }

  // Opens or closes what a lane's wire is shown in.
  function wire(name, element, opened) {
    if (!wires.has(name)) wires.set(name, wireView(element));
    if (opened) watched.add(name);
    else watched.delete(name);
    ask(opened ? "watch" : "unwatch", { lane: name });
  }

  // Lanes

  function build() {
    stage.reader = told.reader;
    const known = all.filter(({ name }) => name in told.lanes);
    const variant = ({ name }) => name.includes(":");
    for (const one of [...known.filter((one) => !variant(one)), ...known.filter(variant)]) {
      lanes.set(one.name, lane(one, told.lanes[one.name], stage));
      byId("choice").append(choice(one));
    }
    byId("all").replaceChildren(everywhere.element);
    choose();
  }

  function choice({ name, title }) {
    const label = document.createElement("label");
    const box = Object.assign(document.createElement("input"), { type: "checkbox", value: name, checked: told.shown.includes(name) });
    box.addEventListener("change", choose);
    label.append(box, ` ${title}`);
    return label;
  }

  function choose() {
    const chosen = new Set([...document.querySelectorAll("#choice input:checked")].map(({ value }) => value));
    const place = ({ name }) => told.shown.indexOf(name) >>> 0; // what was not asked for is last
    const shown = [...lanes.values()].filter(({ name }) => chosen.has(name)).sort((one, other) => place(one) - place(other));
    byId("lanes").replaceChildren(...shown.map(({ element }) => element));
    for (const one of lanes.values()) {
      const runs = one.state !== "stopped";
      if (chosen.has(one.name) && !runs) one.start();
      if (!chosen.has(one.name) && runs) one.stop();
    }
    layout();
  }

  const shown = () => [...lanes.values()].filter(({ state }) => state !== "stopped");

  function layout() {
    ticks.layout();
    for (const one of shown()) one.layout();
  }

  // What the lab tells

  const line = channel("/classroom/demo", () => ({ key }), {
    state(state) {
      told = state;
      for (const [name, { faults, link }] of Object.entries(state.lanes)) lanes.get(name)?.know(faults, link);
      controls.show(state.source, "");
      byId("patience").textContent = patience(state);
    },
    sent({ events }) { sent.add(events); },
    fault(fault) {
      lanes.get(fault.lane)?.fault(fault);
      everywhere.show(shown().map(({ faults }) => faults));
    },
    server({ up, at }) {
      byId("restart").disabled = !up;
      for (const one of shown()) one.server(up, ms(at));
    },
    wire({ lane: name, steps }) { wires.get(name)?.add(steps); },
    source({ source: playing, why }) { controls.show(playing, why); },
    open() {
      if (!lanes.size) build();
      everywhere.show(shown().map(({ faults }) => faults));
      for (const name of watched) ask("watch", { lane: name });
      document.body.dataset.line = "open";
      byId("restart").disabled = false;
      complain("");
    },
    lost(why) {
      document.body.dataset.line = "lost";
      complain(`pushlab doesn't answer (${why}): is it still running?`);
    },
    refused(why) {
      document.body.dataset.line = "refused";
      complain(why);
    },
  });

  // What is for all lanes

  byId("restart").addEventListener("click", () => ask("restart"));
  byId("hide").addEventListener("click", () => {
    const gone = byId("hide").getAttribute("aria-pressed") !== "true";
    if (gone) hide(HIDDEN);
    else giveBack(HIDDEN);
    byId("hide").setAttribute("aria-pressed", String(gone));
    for (const one of lanes.values()) one.interfaceChanged(HIDDEN, gone);
  });

  // Showing

  sent.onEntry(ticks.note);
  onLook(layout);
  let width = 0;
  new ResizeObserver(([{ contentRect }]) => { // its height changes with every sentence
    if (contentRect.width !== width) layout();
    width = contentRect.width;
  }).observe(byId("lanes"));

  function draw() {
    const now = clock.now();
    ticks.draw(now);
    for (const one of shown()) one.draw(now);
  }

  function frame(at) {
    const began = performance.now();
    draw();
    meter.note(at, performance.now() - began);
    requestAnimationFrame(frame);
  }

  function show() {
    if (document.hidden) return;
    const now = clock.now();
    const running = shown();
    for (const one of running) one.show(now);
    if (CALM.matches) draw();
    byId("rate").textContent = ticks.perSecond(now).toFixed(1);
    byId("sent").textContent = sent.sent.toLocaleString("en");
    byId("bound").textContent = `± ${words(clock.bound)}${clock.trouble ? ` (not set anew: ${clock.trouble})` : ""}`;
    byId("frames").textContent = CALM.matches ? "no motion, as this browser asks" : meter.text();
    status(`${running.filter(({ state }) => state === "open").length} of ${running.length} lanes open`);
  }

  layout();
  if (!CALM.matches) requestAnimationFrame(frame);
  setInterval(show, SHOWN_EVERY);
}

function patience({ heartbeat, reader: { watchdog, hold } }) {
  return `The server sends a sign of life after ${heartbeat} s of silence; a page gives a silent connection up after ${watchdog} s. `
    + `A request that waits is held for ${hold} s at most, and given up 10 s later.`;
}

main().catch((error) => complain(`The demo can't be shown: ${error.message}. Is pushlab running?`));
