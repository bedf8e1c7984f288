// The page of a trial: follows what its address says (?transport=…&cursor=…&options=JSON), at once.
// With &data=1 it also keeps what the events say; &clock= is the origin against which it sets its clock.
// The option block: so many seconds it is busy with each event, and does nothing else.
import { follow } from "/lab/follow.js";
import { pings } from "/lab/clock.js";

const asked = new URLSearchParams(location.search);
window.pings = (count) => pings(count, asked.get("clock") ?? location.origin);
if (asked.has("transport")) {
  const { block = 0, ...options } = JSON.parse(asked.get("options") ?? "{}");
  const data = [];
  const on = (what, event) => {
    if (what !== "event") return;
    if (asked.has("data")) data.push(JSON.stringify(event.data));
    for (const end = performance.now() + block * 1000; performance.now() < end;);
  };
  window.trial = follow(asked.get("transport"), {
    cursor: asked.get("cursor") ?? "now",
    ...(asked.has("data") || block ? { on } : {}),
    ...options,
  });
  window.trial.data = data;
}
