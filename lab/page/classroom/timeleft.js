// How long something will still take, by the pace of its parts so far.
const LEAST = 2; // parts that tell a pace
const STEP = 5; // s, to which it is rounded: more is not known

// → says(done, planned) → "about 20 s left"; "" as long as nobody knows.
export function timeLeft() {
  let first = null;

  return (done, planned) => {
    if (!first || done < first.done) first = { done, at: performance.now() };
    if (done - first.done < LEAST) return "";
    const seconds = (performance.now() - first.at) / 1000 / (done - first.done) * (planned - done);
    return seconds > 0 ? `about ${Math.max(STEP, STEP * Math.round(seconds / STEP))} s left` : "";
  };
}
