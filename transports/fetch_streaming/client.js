import { keepTrying } from "/lab/retry.js";
import { lineReader } from "/lab/lines.js";

export function connect(base, sink, options) {
  return keepTrying(async (cursor, signal, sink) => {
    const response = await fetch(`${base}/events?cursor=${cursor}`, { signal });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    sink.open();
    const reader = response.body.getReader();
    const decoder = new TextDecoder(); // one for all chunks: a character may be split between two
    const feed = lineReader(sink);
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      feed(decoder.decode(chunk.value, { stream: true }));
    }
    throw new Error("the server ended the stream");
  }, sink, options);
}
