// Reconnecting, the same for every transport that has to do it by hand.

// Runs attempt(cursor, signal, sink) again and again, each time from where the last one ended, until hung up.
// An attempt that resolves is followed by the next at once; one that rejects was lost, and the next waits.
export function keepTrying(attempt, sink, { watchdog = 0, first = 0.1, longest = 5 } = {}) {
  const hangUp = new AbortController();
  let { cursor } = sink;
  let failures = 0;

  async function once() {
    const ended = new AbortController();
    const dog = watch(watchdog, () => ended.abort(new Error(`silent for ${watchdog} s`)));
    const noted = {
      open() { dog.reset(); failures = 0; sink.open(); },
      event(line) {
        if (hangUp.signal.aborted) return cursor; // in the middle of what came at once
        dog.reset();
        cursor = sink.event(line);
        return cursor;
      },
      alive() { dog.reset(); sink.alive(); },
      lost: sink.lost,
    };
    try {
      await attempt(cursor, AbortSignal.any([hangUp.signal, ended.signal]), noted);
    } catch (error) {
      throw ended.signal.aborted ? ended.signal.reason : error;
    } finally {
      dog.stop();
      ended.abort(new Error("this attempt is over"));
    }
  }

  (async () => {
    while (!hangUp.signal.aborted) {
      try {
        await once();
      } catch (error) {
        if (hangUp.signal.aborted) return;
        sink.lost(error.message);
        failures += 1;
        await pause(Math.random() * Math.min(longest, first * 2 ** failures), hangUp.signal); // full jitter
      }
    }
  })();
  return () => hangUp.abort(new Error("hung up"));
}

// Resolves after that many seconds, or at once when the signal aborts.
export function pause(seconds, signal) {
  return new Promise((done) => {
    const finish = () => { clearTimeout(timer); signal.removeEventListener("abort", finish); done(); };
    const timer = setTimeout(finish, seconds * 1000);
    onAbort(signal, finish);
  });
}

// Acts when the signal aborts, or at once where it has.
export function onAbort(signal, act) {
  if (signal.aborted) act();
  else signal.addEventListener("abort", act, { once: true });
}

function watch(seconds, bark) {
  let timer;
  const stop = () => clearTimeout(timer);
  const reset = () => {
    stop();
    if (seconds) timer = setTimeout(bark, seconds * 1000);
  };
  reset();
  return { reset, stop };
}
