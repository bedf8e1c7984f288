// The page of a trial: follows what its address says (?transport=…&cursor=…&options=JSON), at once.
import { follow } from "/lab/follow.js";
import { pings } from "/lab/clock.js";

const asked = new URLSearchParams(location.search);
window.pings = pings;
if (asked.has("transport")) {
  const options = JSON.parse(asked.get("options") ?? "{}");
  window.trial = follow(asked.get("transport"), { cursor: asked.get("cursor") ?? "now", ...options });
}
