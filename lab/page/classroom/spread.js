// The distribution of a lane's latest latencies, on the track's own axis, turned by a quarter: bars to the right.
import { down, words } from "./scale.js";
import { percentile } from "./record.js";

const BINS = 40;
const WIDTH = 100;

// `element` holds the svg and the figures. → {show(latencies)}
export function spread(element) {
  const part = (selector) => element.querySelector(selector);

  function show(latencies) {
    const bins = new Array(BINS).fill(0);
    for (const one of latencies) bins[Math.min(Math.floor(down(one) * BINS), BINS - 1)] += 1;
    const most = Math.max(...bins, 1);
    const bar = (n, bin) => (n ? `M0 ${bin + 0.5}H${(WIDTH * n) / most}` : "");
    part(".bars").setAttribute("d", bins.map(bar).join(""));
    for (const q of [50, 90]) figure(q, percentile(latencies, q));
    part(".n").textContent = latencies.length;
  }

  function figure(q, value) {
    part(`.p${q}`).textContent = value === null ? "–" : words(value);
    part(`.at${q}`).setAttribute("d", value === null ? "" : `M0 ${down(value) * BINS}H${WIDTH}`);
  }

  return { show };
}
