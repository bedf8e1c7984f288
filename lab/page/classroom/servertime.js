// The server's clock, as this page knows it: by pings, with a bound, set anew now and then. In ms.
import { pings } from "/lab/clock.js";

const PINGS = 20;
const AGAIN = 20_000; // ms

// → {now(), at(page's time), page(server's time), bound, trouble}
export async function serverClock() {
  const clock = {
    offset: 0,
    bound: Infinity,
    trouble: "",
    at: (page) => page + clock.offset,
    page: (server) => server - clock.offset,
    now: () => performance.now() + clock.offset,
  };

  async function set() {
    const { rounds, step } = await pings(PINGS);
    const took = ([sent, , received]) => received - sent;
    const quickest = rounds.reduce((best, one) => (took(one) < took(best) ? one : best));
    const [sent, server, received] = quickest;
    Object.assign(clock, { offset: ms(Number(server)) - (sent + received) / 2, bound: took(quickest) / 2 + step, trouble: "" });
  }

  await set();
  setInterval(() => set().catch((error) => { clock.trouble = error.message; }), AGAIN);
  return clock;
}

// What the server says in ns.
export const ms = (ns) => ns / 1e6;
