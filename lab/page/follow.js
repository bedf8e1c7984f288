// Follows one transport and notes when each event arrived. Transports move text; this is the only
// code that knows what the text means and reads the clock. It removes no duplicates and repairs nothing.
import { connect } from "/lab/transports.js";

// → {arrivals, opened, lost, gaps, alive, last, reached(epoch, id), until(there, seconds), hangUp()}; times in performance.now() ms.
// on(what, detail): "open", "event" {epoch, id, due, at, data, received}, "gap", "alive", "lost"
// keep: false leaves arrivals, opened, lost and gaps empty, for pages that stay open for hours.
export function follow(name, { cursor = "now", on = () => {}, keep = true, ...options } = {}) {
  const trial = { arrivals: [], opened: [], lost: [], gaps: [], alive: 0, last: null };
  const waiting = new Set();
  const note = (list, what) => { if (keep) list.push(what); };

  const tell = (what, detail) => {
    on(what, detail);
    for (const check of waiting) check();
  };
  const sink = {
    cursor,
    open() { note(trial.opened, performance.now()); tell("open"); },
    alive() { trial.alive += 1; tell("alive"); },
    lost(why) { note(trial.lost, [performance.now(), why]); tell("lost", why); },
    event(line) {
      const received = performance.now();
      const { gap, cursor: next, ...event } = JSON.parse(line);
      if (gap) { note(trial.gaps, gap); tell("gap", gap); }
      if (gap || next) return next;
      note(trial.arrivals, [event.epoch, event.id, received]);
      trial.last = event;
      tell("event", { ...event, received });
      return `${event.epoch}-${event.id}`;
    },
  };

  // Whether there() comes true within so many seconds.
  trial.until = (there, seconds) => new Promise((done) => {
    const finish = (whether) => { clearTimeout(timer); waiting.delete(check); done(whether); };
    const check = () => { if (there()) finish(true); };
    const timer = setTimeout(() => finish(false), seconds * 1000);
    waiting.add(check);
    check();
  });
  trial.reached = (epoch, id) => trial.last !== null && (trial.last.epoch - epoch || trial.last.id - id) >= 0;

  const connected = connect(name, sink, options);
  connected.catch((error) => sink.lost(error.message));
  trial.hangUp = async () => (await connected)();
  return trial;
}
