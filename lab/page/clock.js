// The page's clock, in ms since its time origin, and its offset from the server's.

// Rounds of ping over a WebSocket → [[sent, server's time in ns as text, received], …]
export async function pings(count, origin = location.origin) {
  const socket = new WebSocket(`${origin.replace("http", "ws")}/lab/clock`);
  await new Promise((done, failed) => { socket.onopen = done; socket.onerror = () => failed(new Error("no clock")); });
  const rounds = [];
  for (let n = 0; n < count; n += 1) {
    rounds.push(await new Promise((done, failed) => {
      socket.onclose = () => failed(new Error("the clock has stopped: its connection is lost"));
      const sent = performance.now();
      socket.onmessage = (message) => done([sent, message.data, performance.now()]);
      socket.send("");
    }));
  }
  socket.close();
  return { rounds, origin: performance.timeOrigin, step: step() };
}

// The smallest step of performance.now(), in ms.
export function step() {
  let smallest = Infinity;
  for (let n = 0, last = performance.now(); n < 50 && smallest > 0.005; ) {
    const now = performance.now();
    if (now !== last) { smallest = Math.min(smallest, now - last); n += 1; }
    last = now;
  }
  return smallest;
}
