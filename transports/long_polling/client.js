import { keepTrying } from "/lab/retry.js";
import { lineReader } from "/lab/lines.js";

// The first request is not held, so that the page knows at once whether anybody is there.
export function connect(base, sink, { hold = 25, watchdog, ...options }) {
  let greeted = false;
  return keepTrying(async (cursor, signal, sink) => {
    const held = greeted ? hold : 0;
    greeted = false;
    const response = await fetch(`${base}/events?cursor=${cursor}&hold=${held}`, { signal });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    sink.open();
    lineReader(sink)(await response.text());
    greeted = true;
  }, sink, { ...options, watchdog: watchdog && hold + 10 });
}
