// The teacher's page: who is there, what arrives, what was measured, what was voted, and the controls.
import { alone } from "/lab/classroom/alone.js";
import { channel, takeKey } from "/lab/classroom/channel.js";
import { strips } from "/lab/classroom/strips.js";
import { poll } from "/lab/classroom/poll.js";
import { result } from "/lab/classroom/result.js";
import { seats } from "/lab/classroom/seats.js";
import { understood, written } from "/lab/classroom/source.js";
import { sure } from "/lab/classroom/sure.js";
import { timeLeft } from "/lab/classroom/timeleft.js";

const byId = (id) => document.getElementById(id);
const key = takeKey();
let now = null;
let lessons = null;
let left = timeLeft();

const line = channel("/class/board", () => ({ key }), {
  open() { complain(""); if (!lessons) teach(); },
  lost() { complain("The class can’t be reached: is pushlab still running? This page tries again."); },
  refused(why) { complain(why); say(""); byId("board").hidden = true; },
  over() {
    line.close();
    document.body.classList.add("stored");
    say(`The class is over. It is kept in ${now.folder}.`);
    earlier(true);
    for (const id of ["csv", "again", "earlier-label"]) byId(id).hidden = true; // there is nobody to ask any more
  },
  state(state) { now = state; show(); },
  result({ result: what }) { found.show(what, now?.lanes ?? []); },
  came({ points }) { live.add(points); },
});

// Asks, and says why not where it was refused.
async function ask(what, rest) {
  try {
    const answer = await line.ask(what, rest);
    complain("");
    return answer;
  } catch (error) {
    complain(error.message);
    return undefined;
  }
}

// The controls of a source, in that place. → {text: as the lab takes it, show(text)}
function shape(place) {
  place.append(byId("shape").content.cloneNode(true));
  const [rate, size, rhythm] = place.querySelectorAll("select, input");
  let shown = "";
  return {
    get text() { return written({ rhythm: rhythm.value, rate: rate.valueAsNumber, size: size.valueAsNumber }); },
    show(text) {
      if (text === shown) return;
      shown = text;
      const known = understood(text);
      if (known) [rhythm.value, rate.value, size.value] = [known.rhythm, known.rate, known.size];
    },
  };
}

function complain(sentence) {
  byId("trouble").textContent = sentence;
}

// Says it only when it is news, or a screen reader would never be silent.
function say(text) {
  if (byId("news").textContent !== text) byId("news").textContent = text;
}

alone(byId("board"));
const live = strips({ canvas: byId("canvas"), rows: byId("rows"), template: byId("strip"), ask });
const votes = poll(byId("question"), ask);
const found = result(byId("result"));
const sent = shape(byId("sent")); // while nothing is measured
const asked = shape(byId("asked")); // when something is
const there = seats(byId("seats"), byId("seat"), ask);

function show() {
  byId("board").hidden = false;
  document.body.classList.toggle("stored", now.stored);
  if (now.stored) byId("what").textContent = `A class of ${now.started.slice(0, 10)}, stored.`;
  if (now.stored) say("Stored: only to look at.");
  else held();
  there.show(now.seats, now.lanes);
  live.show(now);
  if (now.question && byId("more").dataset.asked !== String(now.questions)) {
    byId("more").open = false;
    byId("more").dataset.asked = now.questions;
  }
  earlier();
  found.show(undefined, now.lanes);
  const last = now.measurements.at(-1);
  byId("again").hidden = !last || live.replaying;
  if (last) byId("again").textContent = `Replay measurement ${last.number}`;
}

// The question on the board is the last one, unless an earlier one was chosen.
function earlier(over = now.stored) {
  const select = byId("earlier");
  byId("earlier-label").hidden = now.questions < 2;
  if (select.length !== now.questions) {
    select.replaceChildren(...Array.from({ length: now.questions }, (_, nth) => new Option(nth + 1)));
    select.value = now.questions;
  }
  if (Number(select.value || now.questions) === now.questions) votes.show(now.question, { busy: now.running, over });
}

// What there is only while the class is held
function held() {
  const here = now.seats.filter(({ state }) => state !== "away").length;
  say(here === 1 ? "1 device is here" : `${here} devices are here`);
  door(now.door, now.seats.length === 0);
  sent.show(now.source);
  ways();
  byId("choose").checked = now.choosing;
  progress(now.measuring);
  running(now.running);
}

function door({ code, origin, open, qr, networks }, empty) {
  byId("address").textContent = origin.replace("http://", "");
  byId("code").textContent = `${code.slice(0, 3)} ${code.slice(3)}`;
  byId("closed").hidden = open;
  byId("shut").textContent = open ? "Close the door" : "Open the door";
  byId("shut").dataset.open = String(open);
  byId("nobody").hidden = !empty;
  const here = /^http:\/\/(127\.|localhost|\[::1\])/.test(origin);
  byId("loopback").hidden = !here;
  byId("cures").hidden = here;
  byId("networks").textContent = networks.map((one) => `pushlab class --address ${one}`).join("\n") || "this computer is in none";
  byId("ports").textContent = `TCP to port ${new URL(origin).port} and the ports from ${now.ports[0]} to ${now.ports[1]}`;
  drawCode(here ? [] : qr, `${origin} ${code}`); // a phone would look for it in itself
}

// As one path of squares, with the quiet zone of four that the standard asks for.
function drawCode(rows, what) {
  const svg = byId("qr");
  svg.toggleAttribute("hidden", !rows.length);
  if (!rows.length || svg.dataset.what === what) return;
  svg.dataset.what = what;
  const size = rows.length + 8;
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  const [ground, path] = svg.children;
  ground.setAttribute("width", size);
  ground.setAttribute("height", size);
  path.setAttribute("d", rows.flatMap((row, y) => [...row].map((bit, x) => (bit === "1" ? `M${x + 4} ${y + 4}h1v1h-1z` : ""))).join(""));
}

function ways() {
  const select = byId("all-way");
  if (!select.length) select.append(...now.conditions.map((name) => new Option(name)));
  const laid = new Set(now.lanes.map(({ way }) => way));
  if (document.activeElement !== select) select.value = laid.size === 1 ? [...laid][0] : "";
}

function progress(measuring) {
  byId("progress").hidden = !measuring && !now.failed;
  byId("stop").hidden = !measuring;
  const busy = Boolean(measuring || now.running);
  for (const id of ["start", "rotate", "play", "restart"]) byId(id).disabled = busy;
  const bar = byId("progress").querySelector("progress");
  bar.hidden = !measuring;
  if (!measuring) { byId("doing").textContent = now.failed; return; }
  const { number, phase, devices, ready, told, turn, turns, seconds } = measuring;
  const says = {
    prepare: `${ready} of ${devices} devices are ready`,
    play: `events go out, for ${seconds} s`,
    finish: `${told} of ${ready} devices have told what arrived`,
  };
  const share = { prepare: 0.2 * ready / devices, play: 0.2, finish: 0.8 + 0.2 * told / Math.max(1, ready) };
  byId("doing").textContent = `Measurement ${number}${turns > 1 ? `, turn ${turn} of ${turns}` : ""}: ${says[phase]}`;
  bar.value = (turn - 1 + share[phase]) / turns;
}

function running(lesson) {
  byId("running").hidden = !lesson;
  if (!lesson) { left = timeLeft(); return; }
  const { title } = lessons?.find(({ name }) => name === lesson.lesson) ?? { title: lesson.lesson };
  byId("run-says").textContent = `“${title}” is measured on this computer: ${[lesson.says, left(lesson.done, lesson.planned)].filter(Boolean).join(" · ")}`;
  const bar = byId("running").querySelector("progress");
  if (lesson.planned) bar.value = lesson.done / lesson.planned;
  else bar.removeAttribute("value"); // it moves, though nothing is known
}

// Lessons and their questions

async function teach() {
  lessons = await line.ask("lessons").catch(() => null) ?? null;
  byId("teaching").hidden = !lessons?.length;
  if (!lessons) return;
  byId("lesson").replaceChildren(...lessons.map(({ name, title }) => new Option(title, name)));
  questions();
}

function questions() {
  const lesson = lessons.find(({ name }) => name === byId("lesson").value);
  byId("of-lesson").replaceChildren(...(lesson?.questions ?? []).map(([name, text]) => new Option(text, name)));
}

const on = (id, what, act) => byId(id).addEventListener(what, (event) => { event.preventDefault(); act(event); });

on("shut", "click", () => ask("door", { open: byId("shut").dataset.open !== "true" }));
sure(byId("new-code"), "The old one is void then", () => ask("new_code"));
on("live-form", "submit", () => ask("play", { source: sent.text }));
on("all-way", "change", ({ target }) => ask("lay", { transport: "", condition: target.value }));
on("all-cut", "click", () => ask("cut", { transport: "" }));
on("restart", "click", () => ask("restart"));
on("rotate", "click", () => ask("rotate"));
on("stop", "click", () => ask("stop"));
byId("choose").addEventListener("change", ({ target }) => ask("choosing", { allowed: target.checked }));
on("measure-form", "submit", () => ask("measure", {
  source: asked.text,
  seconds: byId("seconds").valueAsNumber,
  turns: byId("turns").checked ? now.lanes.length : 1,
}));
on("asking", "submit", async () => {
  const options = byId("options").value.split("\n").map((one) => one.trim()).filter(Boolean);
  if (await ask("ask", { text: byId("text").value, options }) !== undefined) byId("asking").reset();
});
byId("earlier").addEventListener("change", async ({ target }) => {
  const question = Number(target.value) === now.questions ? now.question : await ask("question", { number: Number(target.value) });
  if (question) votes.show(question, { earlier: question.number !== now.questions, over: now.stored });
});
byId("lesson").addEventListener("change", questions);
on("teaching", "submit", () => ask("ask_of", { lesson: byId("lesson").value, question: byId("of-lesson").value }));
on("freeze", "click", ({ currentTarget: button }) => {
  const frozen = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(frozen));
  live.freeze(frozen);
});
on("again", "click", async () => {
  const { number } = now.measurements.at(-1);
  const points = await ask("points", { number });
  if (points) live.replay(points, number, () => { byId("again").hidden = false; });
  byId("again").hidden = true;
});
byId("grouped").addEventListener("change", ({ target }) => { live.group(target.value); if (now) live.show(now); });
on("csv", "click", async () => {
  const text = await ask("csv");
  if (text !== undefined) download("class.csv", text, "text/csv");
});
sure(byId("end"), "Really end it?", () => ask("end"));

function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
