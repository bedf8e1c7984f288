// A student's page: joins the class, keeps its seat, measures, votes.
import { channel } from "/lab/classroom/channel.js";
import { instrument } from "/lab/classroom/instrument.js";
import { ballot } from "/lab/classroom/ballot.js";
import { deliver } from "/lab/classroom/deliver.js";

const byId = (id) => document.getElementById(id);
const VIEWS = ["joining", "seat", "over"];
const DRAWN_EVERY = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : 200; // ms

let line = null;
let mine = null;
let votes = null;

function view(name) {
  for (const one of VIEWS) byId(one).hidden = one !== name;
}

// The seat's key: whoever comes back with it has the seat again. Some browsers keep nothing in private windows.
const seat = {
  get key() { try { return localStorage.getItem("seat") ?? ""; } catch { return this.kept ?? ""; } },
  set key(key) { this.kept = key; try { localStorage.setItem("seat", key); } catch { /* kept as long as the page */ } },
};

// The code, as the QR code has it: behind the # of the address.
function takeCode() {
  const code = location.hash.slice(1);
  if (code) history.replaceState(null, "", location.pathname);
  return code;
}

function enter(code, name) {
  line?.close();
  line = channel("/class/seat", () => ({ key: seat.key, code, name }), {
    seated({ key }) { seat.key = key; },
    open() { byId("refused").textContent = ""; say(""); mine?.again(); },
    lost() { say("The class can’t be reached. This page tries again."); },
    refused(why) { ask(seat.key && !code ? "" : why); seat.key = ""; },
    you(now) { sit(now); },
    elsewhere() { end("This seat is open in another tab or window. Close one of them, and load this page again."); },
    removed() { seat.key = ""; end("Your teacher has taken this seat away."); },
    over() { end("The class is over. Thank you!"); },
  });
}

function ask(why) {
  view("joining");
  byId("refused").textContent = why;
  (byId("code").value ? byId("name") : byId("code")).focus();
}

function end(why) {
  line?.close();
  mine?.close();
  byId("why").textContent = why;
  view("over");
}

// Says it only when it is news, or a screen reader would never be silent.
function say(text) {
  if (byId("line").textContent !== text) byId("line").textContent = text;
}

function sit(now) {
  if (byId("seat").hidden) view("seat");
  mine ??= instrument((what, rest) => line.ask(what, rest), () => seat.key);
  votes ??= ballot(byId("ballot"), (vote) => deliver((what, rest) => line.ask(what, rest), "vote", vote));
  byId("who").dataset.number = now.number;
  byId("who").textContent = now.name || `Device ${now.number}`;
  byId("browser").textContent = now.browser;
  byId("transport").textContent = now.transport.title;
  byId("shape").setAttribute("d", now.transport.shape);
  byId("shape").style.fill = now.transport.colour;
  byId("doubt").textContent = now.tested ? "" : "The lab was never tested in this browser’s engine: your numbers are labelled so.";
  choices(now);
  votes.show(now.question);
  mine.at(now);
}

function choices({ choices: all, transport, measuring }) {
  byId("choosing").hidden = !all.length;
  const select = byId("choice");
  if (select.dataset.all !== JSON.stringify(all)) {
    select.dataset.all = JSON.stringify(all);
    select.replaceChildren(...all.map(([name, title]) => new Option(title, name)));
  }
  select.value = transport.name;
  select.disabled = Boolean(measuring);
}

const number = (ms) => (ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms.toFixed(2)).replace("-", "−");

function draw() {
  if (document.hidden || !mine) return;
  const { events, latest, recent, median, bound, state, why, measuring, result } = mine.seen();
  byId("state").parentElement.parentElement.dataset.state = state;
  byId("state").textContent = why ? `${state}: ${why}` : state;
  byId("events").textContent = events.toLocaleString("en");
  byId("latest").textContent = latest === null ? "–" : number(latest);
  byId("median").textContent = median === null ? "–" : `${number(median)} ms`;
  byId("bound").textContent = bound === null ? "–" : `±${number(bound)} ms`;
  const most = Math.max(1, ...recent);
  const height = (ms) => Math.max(0.5, 23 * ms / most).toFixed(1);
  byId("strip").firstElementChild.setAttribute("d", recent.map((ms, n) => `M${n + 0.5} 24v-${height(ms)}`).join(""));
  byId("measuring").hidden = !measuring;
  if (measuring) {
    byId("doing").textContent = measuring.says;
    byId("progress").value = measuring.share;
  }
  byId("mine").hidden = !result;
  if (result) byId("mine").textContent = result;
}

byId("joining").addEventListener("submit", (event) => {
  event.preventDefault();
  enter(byId("code").value, byId("name").value);
});
byId("choice").addEventListener("change", ({ target }) => {
  line.ask("choose", { transport: target.value }).catch((error) => say(error.message));
});

byId("code").value = takeCode();
if (seat.key) enter("", ""); // where it is of another class, the name is asked for again
else ask("");
setInterval(draw, DRAWN_EVERY);
