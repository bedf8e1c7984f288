// What happened to a lane, in one sentence, made of what was observed: by the lab, which did it, and by this page.
import { percentile } from "./record.js";
import { words } from "./scale.js";

const BEFORE = 10_000; // ms that "before" means
const QUIET = 300; // ms: whoever waits for longer than that in a lane that was quick, may be said to wait

// Something that was done, or has happened of itself. Times in ms of the server; null = not, or not yet.
export function incident(kind, at, { what = "", connections = null } = {}) {
  return { kind, at, what, connections, ended: null, lost: null, losses: 0, opened: null, gaps: [], up: null, fellBack: "" };
}

// What the page sees of it, as it comes.
export const seen = {
  lost(one, at, why) {
    one.lost ??= { at, why };
    one.losses += 1;
    one.opened = null;
  },
  opened(one, at) {
    if (one.lost) one.opened ??= at;
  },
  gap(one, _, gap) {
    one.gaps.push(gap);
  },
};

// What became of the events: {sent, late, latest, lost, waiting, oldest, again, before, since}.
export function fates(one, marks, now) {
  const pivot = one.opened ?? one.ended;
  const fate = { sent: 0, late: 0, latest: 0, lost: 0, waiting: 0, oldest: 0, again: 0, before: [], since: [] };
  for (const mark of marks.values()) {
    const { due } = mark.entry;
    if (due < one.at - BEFORE) continue;
    if (mark.state === "lost" && mark.lost < one.at) continue;
    if (mark.received !== null && mark.received < one.at) { fate.before.push(mark.latency); continue; }
    if (due >= one.at) fate.sent += 1;
    if (mark.state === "lost") fate.lost += 1;
    if (mark.state === "waiting") Object.assign(fate, { waiting: fate.waiting + 1, oldest: Math.max(fate.oldest, now - due) });
    if (mark.times > 1) fate.again += 1;
    if (mark.received === null) continue;
    if (due >= one.at && (one.ended === null || due < one.ended)) fate.since.push(mark.latency);
    if (pivot !== null && due < pivot && mark.received >= pivot) {
      Object.assign(fate, { late: fate.late + 1, latest: Math.max(fate.latest, mark.latency) });
    }
  }
  return fate;
}

// The sentence. `time(at)` writes an instant as a clock on the wall shows it.
export function sentence(one, fate, now, time) {
  const parts = [head(one, now, time), ...noticing(one, fate, now), ...gaps(one), ...medians(one, fate), ...events(one, fate)];
  return `${parts.filter(Boolean).join("; ")}.`;
}

const LASTING = ["freeze", "delay", "slow", "buffer"];

const HEADS = {
  cut: (one, when) => `Cut at ${when} (${count(one.connections, "connection")})`,
  freeze: (_, when) => `Frozen ${when}: nothing passes, and no connection ends`,
  delay: (one, when) => `Slower ${when} (${one.what || "as before"})`,
  slow: (one, when) => `As slow as 3G ${when} (a relay: ${one.what || "as before"}; it loses no packets)`,
  buffer: (one, when) => `A proxy that buffers ${one.ended === null ? "stands" : "stood"} in between ${when} (put there by cutting ${count(one.connections, "connection")})`,
  server: (one, when) => `The server was killed at ${when}${one.up === null ? "" : `, and another was there ${words(one.up - one.at)} later`}`,
  hide: (one, when) => `${one.what} was hidden from this page at ${when}`,
  back: (one, when) => `${one.what} was given back to this page at ${when}`,
  lost: (_, when) => `The connection was lost at ${when}, and nobody here did it`,
};

function head(one, now, time) {
  if (!LASTING.includes(one.kind)) return HEADS[one.kind](one, time(one.at));
  const span = one.ended === null ? `since ${time(one.at)}` : `from ${time(one.at)} to ${time(one.ended)}`;
  return HEADS[one.kind](one, `${span}, for ${words((one.ended ?? now) - one.at)}`);
}

function noticing(one, fate, now) {
  if (one.kind === "lost") return [again(one, now)];
  if (!one.lost) return [unnoticed(one, fate)];
  const knew = `the page knew after ${words(Math.max(one.lost.at - one.at, 0))} («${one.lost.why}»)`;
  return [knew, one.fellBack ? `it fell back to ${one.fellBack}` : "", again(one, now)];
}

function unnoticed(one, fate) {
  if (one.kind === "back") return "";
  if (one.ended === null && fate.oldest > QUIET && one.kind !== "delay") {
    return `the page has noticed nothing, and the oldest event has been on its way for ${words(fate.oldest)}`;
  }
  return "the page has noticed no loss of a connection";
}

function again(one, now) {
  const times = one.losses > 1 ? ` (lost ${one.losses} times)` : "";
  if (one.opened === null) return `still not open after ${words(now - one.at)}${times}`;
  return `open again after ${words(one.opened - one.at)}${times}`;
}

function gaps({ gaps: found }) {
  return found.map(({ from, to, why }) => `the server told of a gap (${why}): ${to === null ? `nobody knows what came after event ${from - 1}` : `events ${from} to ${to}`}`);
}

function medians(one, fate) {
  const [before, since] = [percentile(fate.before, 50), percentile(fate.since, 50)];
  if (!LASTING.includes(one.kind) || one.kind === "freeze" || since === null) return [];
  return [`median ${before === null ? "" : `${words(before)} before, `}${words(since)} since`];
}

function events(one, fate) {
  const late = fate.late ? `${count(fate.late, "event")} came only then, up to ${words(fate.latest)} after ${fate.late === 1 ? "it was" : "they were"} due` : "";
  const waiting = fate.waiting && one.kind !== "delay" ? `${count(fate.waiting, "event")} on the way` : "";
  const lost = fate.lost ? `${count(fate.lost, "event")} ${fate.lost === 1 ? "was" : "were"} lost` : "none was lost";
  return [late, waiting, fate.sent || fate.lost || fate.late ? lost : "nothing has been sent since", fate.again ? `${count(fate.again, "event")} came twice` : ""];
}

export function count(n, noun) {
  if (n === 0) return `no ${noun}`;
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
