// What was sent, as far as this page knows: from the server's ledger, or from whichever lane had it first.
import { ms } from "./servertime.js";

const KEPT = 12_000; // events: a minute of the most that there may be

// → {add(events), meet(event), newest, entries, onEntry(act)}; an entry is {key, epoch, id, due, size}, `due` in ms of the server
export function ledger() {
  const entries = new Map(); // by key, in the order in which they became known
  const heard = new Set();
  const self = { entries, newest: null, sent: 0, add, meet, onEntry: (act) => heard.add(act) };

  function note(epoch, id, due, size) {
    const key = `${epoch}-${id}`;
    const known = entries.get(key);
    if (known) { known.size ??= size; return known; }
    const entry = { key, epoch, id, due: ms(due), size };
    entries.set(key, entry);
    if (entries.size > KEPT) entries.delete(entries.keys().next().value);
    if (!self.newest || beyond(entry, self.newest)) self.newest = entry;
    self.sent += 1;
    for (const act of heard) act(entry);
    return entry;
  }

  // [[epoch, id, due in ns, bytes], …]
  function add(events) {
    for (const one of events) note(...one);
  }

  // An event that has arrived somewhere.
  function meet({ epoch, id, due }) {
    return note(epoch, id, due);
  }

  return self;
}

// Whether the one comes after the other in the log.
export function beyond(one, other) {
  return (one.epoch - other.epoch || one.id - other.id) > 0;
}
