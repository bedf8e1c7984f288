// A page that follows one transport, as its address says (?transport=…&options=JSON), and reports what it gets.
import { follow } from "/lab/follow.js";

const asked = new URLSearchParams(location.search);
const name = asked.get("transport");
const report = { id: crypto.getRandomValues(new Uint32Array(1))[0], lane: asked.get("lane"), state: "connecting", events: 0, losses: 0, since: Date.now() };
const line = new BroadcastChannel("tabs");
const main = document.querySelector("main");

function become(state, why = "") {
  if (state !== report.state) report.since = Date.now();
  report.state = state;
  main.dataset.state = state;
  main.querySelector(".state").textContent = why ? `${state}: ${why}` : state;
  tell();
}

function tell() {
  line.postMessage(report);
  main.querySelector(".count span").textContent = report.events.toLocaleString("en");
}

document.title = asked.get("title");
document.querySelector("h1").textContent = `${asked.get("title")}, one more tab`;
follow(name, {
  ...JSON.parse(asked.get("options")),
  keep: false,
  on(what, detail) {
    if (what === "event") report.events += 1;
    if (what === "open") become("open");
    if (what === "lost") { report.losses += 1; become("lost", detail); }
  },
});
addEventListener("pagehide", () => line.postMessage({ ...report, state: "gone" }));
addEventListener("pageshow", ({ persisted }) => { if (persisted) location.reload(); });
setInterval(tell, 500);
tell();
