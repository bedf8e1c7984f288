import { keepTrying, onAbort } from "/lab/retry.js";

// The browser frames, reconnects and resumes. It gives up for good at 204, 502 or a wrong type, and notices
// no silence: then a new EventSource starts from the cursor.
export function connect(base, sink, { native = false, ...options }) {
  if (native) {
    const source = open(base, sink.cursor, sink, sink.lost);
    return () => source.close();
  }
  return keepTrying((cursor, signal, sink) => new Promise((_, failed) => {
    const source = open(base, cursor, sink, (why) => (why === GONE ? failed(new Error(why)) : sink.lost(why)));
    onAbort(signal, () => { source.close(); failed(signal.reason); });
  }), sink, options);
}

const GONE = "the browser has given up";

function open(base, cursor, sink, lost) {
  const source = new EventSource(`${base}/events?cursor=${cursor}`);
  source.onopen = sink.open;
  source.onmessage = (message) => sink.event(message.data);
  source.addEventListener("alive", sink.alive);
  source.onerror = () => lost(source.readyState === EventSource.CLOSED ? GONE : "the browser is reconnecting");
  return source;
}
