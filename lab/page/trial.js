// The page of a trial: follows what its address says (?transport=…&cursor=…&options=JSON), at once.
// With &data=1 it also keeps what the events say.
import { follow } from "/lab/follow.js";
import { pings } from "/lab/clock.js";

const asked = new URLSearchParams(location.search);
window.pings = pings;
if (asked.has("transport")) {
  const options = JSON.parse(asked.get("options") ?? "{}");
  const data = [];
  const on = (what, event) => { if (what === "event") data.push(JSON.stringify(event.data)); };
  window.trial = follow(asked.get("transport"), {
    cursor: asked.get("cursor") ?? "now",
    ...(asked.has("data") ? { on } : {}),
    ...options,
  });
  window.trial.data = data;
}
