// A device as an instrument: follows its transport, sets its clock, and tells the class what arrived.
import { follow } from "/lab/follow.js";
import { pings } from "/lab/clock.js";
import { deliver } from "/lab/classroom/deliver.js";

const PINGS = 20;
const CLOCK_EVERY = 20000; // ms; clocks drift apart by a millisecond in about that time, at worst
const TELL_EVERY = 500; // ms
const BATCH_EVERY = 1000; // ms
const BATCH = 200; // arrivals
const TOLD = 300; // latencies at most
const OPENING = 10; // seconds
const STRAGGLING = 3; // seconds after the end in which events may still come
const RECENT = 60; // events

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// The zero of this page's clock on the server's, ms, and how far that may be off: half the round trip and a step.
const offset = ({ sent, received, server, step }) => (
  { origin: Number(server) / 1e6 - (sent + received) / 2, bound: (received - sent) / 2 + step }
);

// One that covers both: clocks drift.
function around(one, other) {
  const low = Math.min(one.origin - one.bound, other.origin - other.bound);
  const high = Math.max(one.origin + one.bound, other.origin + other.bound);
  return { origin: (low + high) / 2, bound: (high - low) / 2 };
}

export function median(values) {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
}

// → {at(place), again(), seen(), close()}. ask: a request to the class. key(): of the seat.
export function instrument(ask, key) {
  const trials = new Map();
  const now = { events: 0, latest: null, recent: [], state: "connecting", why: "" };
  let clock = null; // the last offset
  let fresh = []; // latencies that were not told yet
  let told = "";
  let place = null;
  let followed = null;
  let following = ""; // what it is following, and for which measurement
  let closed = false;

  function on(what, detail) {
    if (what === "open" || what === "alive") Object.assign(now, { state: "open", why: "" });
    else if (what === "lost") Object.assign(now, { state: "lost", why: detail });
    else if (what === "event") arrived(detail);
  }

  function arrived({ due, received }) {
    now.events += 1;
    if (!clock) return; // nothing is shown that nobody knows
    now.latest = received + clock.origin - due / 1e6;
    now.recent = [...now.recent, now.latest].slice(-RECENT);
    fresh.push(now.latest);
  }

  function hangUp() {
    followed?.hangUp().catch(() => {}); // what never connected has nothing to hang up
    followed = null;
    following = "";
  }

  // Follow the transport anew; what a connection says after it was hung up is no news.
  function start({ transport, origin }, { keep = false, also = () => {} } = {}) {
    hangUp();
    Object.assign(now, { state: "connecting", why: "", latest: null, recent: [] });
    const mine = follow(transport.name, {
      origin: `${origin}/seat/${key()}`,
      keep,
      on(what, detail) { if (followed === mine) { on(what, detail); also(what, detail); } },
    });
    followed = mine;
    return mine;
  }

  const tell = (what, rest) => deliver(ask, what, rest, () => closed);

  async function setClock() {
    while (!closed) {
      try {
        const { rounds, step } = await pings(PINGS);
        const [sent, server, received] = rounds.reduce((best, one) => (one[2] - one[0] < best[2] - best[0] ? one : best));
        const ping = { sent, received, server, step };
        clock = offset(ping);
        ask("clock", { ping }).catch(() => {}); // it is for the board only
        return ping;
      } catch { await pause(500); }
    }
    throw new Error("closed");
  }

  // The measurement, from its beginning to its end

  async function prepare(number) {
    const trial = { number, batches: [], delivered: Promise.resolve(), hidden: document.hidden, events: [], ready: false };
    trials.set(number, trial);
    following = `measurement ${number}`;
    trial.before = await setClock();
    trial.setOut = performance.now();
    trial.followed = start(place, { keep: true, also(what, event) { if (what === "event") trial.events.push(event); } });
    following = `measurement ${number}`;
    if (!await trial.followed.until(() => trial.followed.opened.length > 0, OPENING)) return;
    await tell("ready", { number, ready: { ping: trial.before, set_out: trial.setOut } });
    trial.ready = true;
    trial.timer = setInterval(() => gather(trial), BATCH_EVERY);
  }

  // Put what has arrived since the last time into batches, and send them one after the other.
  function gather(trial) {
    const done = trial.batches.reduce((sum, one) => sum + one.length, 0);
    const news = trial.followed.arrivals.slice(done);
    for (let n = 0; n < news.length; n += BATCH) {
      trial.batches.push(news.slice(n, n + BATCH));
      send(trial, trial.batches.length - 1);
    }
  }

  function send(trial, batch) {
    const rest = { number: trial.number, batch, arrivals: trial.batches[batch] };
    trial.delivered = trial.delivered.then(() => tell("batch", rest));
    trial.delivered.catch(() => {}); // said when it is awaited, in the end
  }

  async function finish(trial, last) {
    trial.finishing = true;
    if (last.length) await trial.followed.until(() => trial.followed.reached(...last), STRAGGLING);
    clearInterval(trial.timer);
    trial.after = await setClock();
    gather(trial);
    await trial.delivered;
    const { opened, lost, gaps } = trial.followed;
    const final = {
      batches: trial.batches.length,
      ping: trial.after,
      hidden: trial.hidden,
      opened: opened.slice(0, 200),
      lost: lost.slice(0, 50).map(([at, why]) => [at, String(why).slice(0, 300)]),
      gaps: gaps.slice(0, 50),
    };
    for (let again = true; again;) {
      const missing = await tell("final", { number: trial.number, final });
      for (const batch of missing) send(trial, batch);
      await trial.delivered;
      again = missing.length > 0;
    }
    const { origin, bound } = around(offset(trial.before), offset(trial.after));
    trial.delays = trial.events.map(({ due, received }) => received + origin - due / 1e6);
    trial.bound = bound;
    trial.done = true;
  }

  function result() {
    const done = [...trials.values()].filter((trial) => trial.done).at(-1);
    if (!done) return "";
    const half = median(done.delays);
    const what = half === null ? "nothing arrived" : `${done.delays.length} events, half of them within ${half.toFixed(2)} ms`;
    return `Measurement ${done.number}: ${what} (clock ±${done.bound.toFixed(2)} ms)`;
  }

  const SAYS = { prepare: "Getting ready to measure …", play: "Measuring: keep this page open", finish: "Telling what arrived …" };

  function measuring() {
    const { number, phase, seconds } = place?.measuring ?? {};
    const trial = trials.get(number);
    if (!trial || trial.done) return null;
    if (phase === "play") trial.playing ??= performance.now();
    const share = phase === "play" ? Math.min(1, (performance.now() - trial.playing) / 1000 / seconds) : Number(phase === "finish");
    return { says: SAYS[phase], share };
  }

  // What the class says of this device: where it is to follow, and what is measured.
  function at(there) {
    place = there;
    const { transport, origin, measuring: task } = there;
    if (task?.phase === "prepare" && !trials.has(task.number)) prepare(task.number).catch(failed);
    const trial = trials.get(task?.number);
    if (task?.phase === "finish" && trial?.ready && !trial.finishing) finish(trial, task.last).catch(failed);
    const busy = task && trial && !trial.done && (task.phase !== "finish" || trial.ready);
    const wanted = `${transport.name} ${origin}`;
    if (!busy && following !== wanted) { start(there); following = wanted; }
  }

  function failed(error) {
    if (!closed) Object.assign(now, { why: error.message });
  }

  const timers = [
    setInterval(() => { if (!place?.measuring) setClock().catch(() => {}); }, CLOCK_EVERY),
    setInterval(() => {
      if (!fresh.length && told === now.state) return;
      told = now.state;
      ask("live", { latencies: fresh.splice(0).slice(-TOLD), state: now.state }).catch(() => { told = ""; });
    }, TELL_EVERY),
  ];
  const hide = () => { for (const trial of trials.values()) if (document.hidden && !trial.done) trial.hidden = true; };
  document.addEventListener("visibilitychange", hide);
  setClock().catch(() => {});

  // For whoever wants to check that the class's numbers are this page's.
  window.trials = trials;

  return {
    at,
    again() { told = ""; if (!place?.measuring) setClock().catch(() => {}); },
    seen: () => ({ ...now, median: median(now.recent), bound: clock?.bound ?? null, measuring: measuring(), result: result() }),
    close() {
      closed = true;
      timers.forEach(clearInterval);
      document.removeEventListener("visibilitychange", hide);
      hangUp();
    },
  };
}
