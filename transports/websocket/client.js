import { keepTrying, onAbort } from "/lab/retry.js";

export function connect(base, sink, options) {
  return keepTrying((cursor, signal, sink) => new Promise((_, failed) => {
    const socket = new WebSocket(`${base.replace("http", "ws")}/events?cursor=${cursor}`);
    socket.onopen = sink.open;
    socket.onmessage = ({ data }) => { if (data) sink.event(data); else sink.alive(); };
    socket.onclose = ({ code, reason }) => failed(new Error(`closed with ${code} ${reason}`.trim()));
    onAbort(signal, () => { socket.close(); failed(signal.reason); });
  }), sink, options);
}
