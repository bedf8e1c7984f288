// The page of one lesson: predict, run, see, confront, explain. What may be known when is the server's to decide.
import { channel, takeKey } from "/lab/classroom/channel.js";
import { asked } from "/lab/classroom/question.js";
import { confronted, drawn, strip } from "/lab/classroom/drawing.js";
import { timeLeft } from "/lab/classroom/timeleft.js";

const REACHED = { predict: 0, run: 1, running: 1, see: 2, confront: 3 };
const STEPS = ["predict", "run", "see", "confront"];
const SIGNS = { right: "✓", wrong: "✕", open: "?" };
const WORDS = { right: "right", wrong: "not so", open: "not resolved" };
const CLAIMED = { right: "it is so", wrong: "it is not so here", open: "this run does not tell" };

const byId = (id) => document.getElementById(id);
const part = (id, selector) => byId(id).querySelector(selector);
const key = takeKey();

let lesson = null;
let now = null;
let dots = [];
let sentences = []; // what experiments have observed, to be read for longer than they take
let forms = new Map();
let left = timeLeft();

const line = channel("/lesson/line", () => ({ key }), {
  open() { complain(""); },
  lost(why) { complain(`pushlab doesn't answer (${why}): is it still running? This page tries again.`); },
  refused(why) { complain(why); },
  lesson(told) { lesson = told; shown(told); },
  state(told) { stated(told); },
  progress(told) { progressed(told); },
});

function complain(sentence) { byId("trouble").textContent = sentence; }

// What the server has rendered of the lesson's own Markdown, in which markup is text already.
function fill(element, html) { element.innerHTML = html; }

function shown({ name, title, minutes, story, run, look, missing, questions, observations }) {
  document.title = `${title} · pushlab`;
  byId("kind").textContent = `A lesson of pushlab · ${name} · ${minutes} minutes`;
  byId("title").textContent = title;
  fill(part("story", ".prose"), story);
  fill(part("run", ".prose"), run);
  fill(part("see", ".prose"), look);
  if (missing) failed(`It can't be run on this machine, because ${missing}.`);
  forms = new Map();
  part("predict", ".questions").replaceChildren(...questions.map((one) => form(one, "predict", "Keep this prediction")));
  part("see", ".questions").replaceChildren(...observations.map((one) => form(one, "observe", "That is what I saw")));
  document.querySelector("main").hidden = false;
}

function form(question, what, label) {
  const made = asked(question, label, (given) => line.ask(what, { question: question.name, given }));
  forms.set(question.name, made);
  return made.element;
}

function failed(why) {
  const element = part("run", ".failed");
  element.hidden = !why;
  element.textContent = why;
}

function stated(told) {
  const before = now?.stage;
  now = told;
  dots = told.progress.flatMap((one) => one.dots);
  sentences = told.progress.filter(({ observed }) => observed).map(({ says }) => says);
  for (const step of document.querySelectorAll("#steps li")) mark(step);
  predicted();
  ran();
  opened("see", REACHED[told.stage] >= 2);
  for (const { name } of lesson.observations) forms.get(name).kept(told.observations[name], told.stage === "see");
  for (const id of ["confront", "explain", "try"]) opened(id, told.stage === "confront");
  if (told.stage === "confront") explained(told);
  if (before && before !== told.stage) lead(before, told.stage);
}

function mark(step) {
  const at = step.dataset.step === "after" ? STEPS.length : STEPS.indexOf(step.dataset.step);
  const reached = REACHED[now.stage];
  step.classList.toggle("done", at < reached);
  step.classList.toggle("open", at > reached && now.stage === "confront");
  if (at === reached) step.setAttribute("aria-current", "step");
  else step.removeAttribute("aria-current");
}

function opened(id, open) {
  byId(id).classList.toggle("closed", !open);
  part(id, ".locked").hidden = open;
  part(id, ".body").hidden = !open;
}

function predicted() {
  const open = REACHED[now.stage] < 1 || now.stage === "run";
  for (const { name } of lesson.questions) forms.get(name).kept(now.predictions[name], open);
}

function ran() {
  const missing = lesson.questions.filter(({ name }) => !(name in now.predictions)).length;
  opened("run", !missing);
  const questions = missing === 1 ? "one question has" : `${missing} questions have`;
  part("run", ".locked").textContent = `Locked: ${questions} no prediction yet.`;
  byId("go").disabled = now.stage !== "run" || Boolean(lesson.missing);
  byId("go").parentElement.hidden = REACHED[now.stage] > 1;
  if (!lesson.missing) failed(now.failed && `The run came to nothing: ${now.failed}. Run it again.`);
  part("run", ".going").hidden = now.stage !== "running";
  const note = now.note ?? lesson.note;
  part("run", ".note").hidden = !note;
  part("run", ".note").textContent = note ? `Not the usual way: ${note}.` : "";
  if (now.stage === "running") went(now.progress.at(-1));
  draw();
}

function went(progress) {
  const bar = part("run", "progress");
  if (progress) bar.value = progress.done / progress.planned;
  else bar.removeAttribute("value"); // it moves, though nothing is known
  const later = progress ? left(progress.done, progress.planned) : "";
  const told = progress ? `${progress.done} of ${progress.planned}: ${progress.says}` : "Starting the browsers …";
  part("run", ".says").textContent = later ? `${told} · ${later}` : told;
}

function progressed(progress) {
  dots.push(...progress.dots);
  if (progress.observed) sentences.push(progress.says);
  went(progress);
  draw();
}

function draw() {
  part("run", ".sentences").hidden = !sentences.length;
  part("run", ".sentences").replaceChildren(...sentences.map(item));
  const figure = part("run", ".dots");
  const rows = lesson.shown;
  figure.hidden = !rows || REACHED[now.stage] < 1 || !(dots.length || now.figures);
  if (figure.hidden) return;
  figure.querySelector("figcaption").textContent = rows.title;
  const figures = now.stage === "confront" ? now.figures : {};
  drawn(figure.querySelector(".drawing"), (size) => strip(rows, held(rows), figures, size));
}

// By value: the numbers of its rounds.
function held(rows) {
  const of = (value) => now.figures?.[value]?.rounds.length ? now.figures[value].rounds
    : now.figures?.[value]?.value != null ? [now.figures[value].value]
    : dots.filter((dot) => dot.value === value).map((dot) => dot.number);
  return Object.fromEntries(rows.rows.map(({ value }) => [value, of(value)]));
}

function explained({ confronted: predictions, seen, explain, claims, folder, try: commands }) {
  const titled = (title) => { const made = document.createElement("h3"); made.textContent = title; return made; };
  part("confront", ".body").replaceChildren(
    titled("What you predicted"), ...predictions.map(confrontation),
    titled("What you saw"), ...seen.map(confrontation),
  );
  fill(part("explain", ".prose"), explain);
  part("explain", ".claims").replaceChildren(...claims.map(claimed));
  fill(part("try", ".prose"), commands);
  part("try", ".kept").textContent = `What was measured here is kept in ${folder}.`;
}

function item(text) {
  const made = document.createElement("li");
  made.textContent = text;
  return made;
}

function confrontation(question) {
  const made = document.createElement("article");
  made.className = `verdict ${question.mark}`;
  const head = document.createElement("p");
  head.className = "ask";
  head.textContent = question.ask;
  const place = document.createElement("div");
  place.className = "drawing";
  const says = document.createElement("p");
  says.append(badge(question.mark, WORDS), ` ${question.says}`);
  made.append(head, place, says);
  drawn(place, (size) => confronted(question, size));
  return made;
}

function badge(mark, words) {
  const made = document.createElement("strong");
  made.className = `badge ${mark}`;
  made.textContent = `${SIGNS[mark]} ${words[mark]}`;
  return made;
}

function claimed({ mark, says, long }) {
  const made = document.createElement("li");
  const sentence = document.createElement("span");
  fill(sentence, says);
  const measured = document.createElement("span");
  measured.className = "soft";
  measured.textContent = ` Measured: ${long}.`;
  made.append(badge(mark, CLAIMED), " ", sentence, measured);
  return made;
}

// Where it goes on, after a step that was just made: once everything has its size.
function lead(before, stage) {
  const to = { run: before === "predict" && "run", see: "see", confront: "confront", predict: "story" }[stage];
  if (!to) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const place = stage === "see" ? seen() : byId(to);
  requestAnimationFrame(() => requestAnimationFrame(() => place.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" })));
  byId("news").textContent = stage === "see" ? "The run is over: what did you see?" : "";
}

// What was seen is asked where it still can be seen, as far as there is room: dots and sentences, or these alone.
function seen() {
  const see = byId("see");
  const fits = (one) => !one.hidden && see.getBoundingClientRect().bottom - one.getBoundingClientRect().top < innerHeight;
  return [".dots", ".sentences"].map((one) => part("run", one)).find(fits) ?? see;
}

function ask(what) { return line.ask(what).then(() => complain(""), (error) => complain(error.message)); }

byId("go").onclick = () => { failed(""); left = timeLeft(); ask("run"); };
byId("again").onclick = () => ask("again");

byId("notes").onclick = async () => {
  const open = byId("noted").hidden;
  if (open) fill(byId("noted"), await line.ask("notes").catch(() => ""));
  byId("noted").hidden = !open;
  byId("notes").setAttribute("aria-expanded", String(open));
  byId("notes").textContent = open ? "Hide the notes" : "Show the notes";
};
