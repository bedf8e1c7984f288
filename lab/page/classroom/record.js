// What became of each event in one lane: a mark for each, {entry, state, received, latency, times}.
// States: "waiting" (sent, and not here yet), "here", "late" (after more than a second), "lost". Times in ms of the server.
import { beyond } from "./ledger.js";

export const LATE = 1000; // ms
const KEPT = 12_000; // marks
const RECENT = 500; // latencies that make up the distribution

// on(mark, before): a mark has changed; `before` is its state until then, null for a new one.
export function record(on) {
  const marks = new Map(); // by the entry's key
  const waiting = new Map();
  const counts = { arrived: 0, late: 0, lost: 0, again: 0, gaps: 0 };
  const self = { marks, waiting, counts, recent: [], front: null, counted: null, start, stop, expect, arrive, skip };
  let floor = null;

  // Whatever comes after this entry is to come; everything, if there is none. The distribution begins at `counted`, when
  // it is open: what was sent before had to wait for that.
  function start(after) {
    floor = after;
    self.front = after;
  }

  // Nobody waits any more.
  function stop() {
    for (const key of waiting.keys()) marks.delete(key);
    waiting.clear();
  }

  // It was sent.
  function expect(entry) {
    if (marks.has(entry.key) || (floor && !beyond(entry, floor))) return;
    const mark = keep(entry);
    if (self.front && !beyond(entry, self.front)) become(mark, "lost");
    else become(mark, "waiting");
  }

  function arrive(entry, received) {
    const mark = marks.get(entry.key) ?? keep(entry);
    mark.times += 1;
    if (mark.times > 1) {
      counts.again += 1;
      on(mark, mark.state);
      return mark;
    }
    Object.assign(mark, { received, latency: received - entry.due });
    if (entry.due >= (self.counted ?? Infinity)) note(mark.latency);
    become(mark, mark.latency > LATE ? "late" : "here");
    if (!self.front || beyond(entry, self.front)) reach(entry);
    return mark;
  }

  // The server has said that these will never come.
  function skip({ epoch, from, to }) {
    counts.gaps += 1;
    lose((entry) => entry.epoch === epoch && entry.id >= from && (to === null || entry.id <= to));
  }

  // Transports keep the order: what was overtaken is lost; should it come after all, it is late or here.
  function reach(entry) {
    self.front = entry;
    lose((other) => beyond(entry, other));
  }

  function lose(which) {
    for (const mark of waiting.values()) {
      if (which(mark.entry)) become(mark, "lost");
    }
  }

  function keep(entry) {
    const mark = { entry, state: null, received: null, latency: null, times: 0 };
    marks.set(entry.key, mark);
    if (marks.size > KEPT) forget(marks.keys().next().value);
    return mark;
  }

  function forget(key) {
    marks.delete(key);
    waiting.delete(key);
  }

  function become(mark, state) {
    const before = mark.state;
    mark.state = state;
    if (before === "lost") counts.lost -= 1;
    if (state === "waiting") waiting.set(mark.entry.key, mark);
    else waiting.delete(mark.entry.key);
    if (state === "lost") counts.lost += 1;
    if (state === "here" || state === "late") counts.arrived += 1;
    if (state === "late") counts.late += 1;
    on(mark, before);
  }

  function note(latency) {
    self.recent.push(latency);
    if (self.recent.length > RECENT) self.recent.shift();
  }

  return self;
}

// The percentile q of these, or null where fewer than two are to be expected beyond it: the same estimate, and
// the same rule, as in reports (Hyndman and Fan 1996, type 8).
export function percentile(values, q) {
  const n = values.length;
  if ((n * Math.min(q, 100 - q)) / 100 < 2) return null;
  const sorted = Float64Array.from(values).sort();
  const rank = ((n + 1 / 3) * q) / 100 + 1 / 3;
  const low = Math.min(Math.max(Math.floor(rank), 1), n);
  const high = Math.min(low + 1, n);
  return sorted[low - 1] + (rank - low) * (sorted[high - 1] - sorted[low - 1]);
}
