import { keepTrying } from "/lab/retry.js";
import { lineReader } from "/lab/lines.js";

export function connect(base, sink, { hold = 25, watchdog, ...options }) {
  return keepTrying(async (cursor, signal, sink) => {
    const response = await fetch(`${base}/events?cursor=${cursor}&hold=${hold}`, { signal });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    sink.open();
    lineReader(sink)(await response.text());
  }, sink, { ...options, watchdog: watchdog && hold + 10 });
}
