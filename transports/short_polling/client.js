import { keepTrying, pause } from "/lab/retry.js";
import { lineReader } from "/lab/lines.js";

export function connect(base, sink, { every = 0.5, ...options }) {
  return keepTrying(async (cursor, signal, sink) => {
    const response = await fetch(`${base}/events?cursor=${cursor}`, { signal });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    sink.open();
    lineReader(sink)(await response.text());
    await pause(every, signal);
  }, sink, options);
}
