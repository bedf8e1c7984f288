// How events come, moment by moment: counts of the last few seconds, and no memory of more.
export const SLOT = 50; // ms; short enough to show what comes in batches
export const SLOTS = 120;
const MEAN_OF = 60; // slots that make up "per second"

// → {count(), perSecond(), bars(height)}
export function pace() {
  const counts = new Array(SLOTS + 1).fill(0); // the last is the one that is going on
  let last = slot();

  function slot() {
    return Math.floor(performance.now() / SLOT);
  }

  // Leave behind what is over; after a long sleep that is everything.
  function forward() {
    const passed = Math.min(slot() - last, counts.length);
    counts.splice(0, passed);
    while (counts.length <= SLOTS) counts.push(0);
    last = slot();
  }

  return {
    count() {
      forward();
      counts[SLOTS] += 1;
    },
    perSecond() {
      forward();
      const whole = counts.slice(-MEAN_OF - 1, -1);
      return whole.reduce((sum, one) => sum + one, 0) / ((MEAN_OF * SLOT) / 1000);
    },
    // A path with a bar for each slot in which events came, the busiest as high as that.
    bars(height) {
      forward();
      const most = Math.max(...counts);
      const bar = (one, n) => (one ? `M${n + 0.5} ${height}v${-height * one / most}` : "");
      return counts.slice(0, -1).map(bar).join("");
    },
  };
}
