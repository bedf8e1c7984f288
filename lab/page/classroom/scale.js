// The axis of latencies that tracks and distributions share: logarithmic, the source at the top.
export const LEAST = 0.2; // ms
export const MOST = 20_000;
const DECADES = Math.log10(MOST / LEAST);

export const TICKS = [[1, "1 ms"], [10, "10 ms"], [100, "0.1 s"], [1000, "1 s"], [10_000, "10 s"]];

// How far down that is, from 0 to 1. What is beyond the ends is at the ends.
export function down(latency) {
  return Math.min(Math.max(Math.log10(latency / LEAST) / DECADES, 0), 1) || 0; // none has no logarithm
}

// As people read it.
export function words(latency) {
  const size = Math.abs(latency);
  if (size < 10) return `${latency.toFixed(2)} ms`;
  if (size < 100) return `${latency.toFixed(1)} ms`;
  if (size < 1000) return `${latency.toFixed(0)} ms`;
  return `${(latency / 1000).toFixed(size < 10_000 ? 2 : 1)} s`;
}

export const SPAN = 10_000; // ms of the time axis, which is the same for all that share it

// The room that an element gives, in pixels of the device, so that nothing is blurred; null while it has none.
export function room(element) {
  const ratio = devicePixelRatio || 1;
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const box = element.getBoundingClientRect();
  const [width, height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
  if (!width || !height) return null;
  const dot = Math.max(2, rem * 0.17) * ratio;
  const [left, right] = [Math.round(rem * 2.9 * ratio), width - Math.ceil(dot * 3)];
  return { ratio, rem, width, height, dot, left, right, perMs: (right - left) / SPAN };
}
