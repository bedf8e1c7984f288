// How smoothly this page draws, by its own frames: how many in a second, and how long its script took for each.
import { percentile } from "./record.js";

const KEPT = 300;
const ASLEEP = 1000; // ms without a frame: the page was hidden

// → {note(at, took), perSecond(), took(q), text()}; ms
export function frames() {
  const times = [];
  const takes = [];

  function note(at, took) {
    if (at - times.at(-1) > ASLEEP) times.length = takes.length = 0;
    times.push(at);
    takes.push(took);
    if (times.length > KEPT) { times.shift(); takes.shift(); }
  }

  function perSecond() {
    if (times.length < 2) return 0;
    return ((times.length - 1) * 1000) / (times.at(-1) - times[0]);
  }

  const took = (q) => percentile(takes, q);

  function text() {
    const slow = took(95);
    return slow === null ? "–" : `${perSecond().toFixed(0)} frames/s; 95 of 100 take this page's script ${slow.toFixed(1)} ms or less`;
  }

  return { note, perSecond, took, text };
}
