// More tabs of one lane: pages of their own at the lane's one origin, and what they say they get.
import { words } from "./scale.js";
import { count } from "./story.js";

const SETTLED = 1500; // ms that a connection may take before it is said to be waited for

// → {open(), openUntil(n), close(), sentence(own), number}
export function tabs(transport, options) {
  const line = new BroadcastChannel("tabs");
  const reports = new Map(); // by the tab's id
  const windows = [];
  let refused = 0;

  line.onmessage = ({ data }) => {
    if (data.lane !== transport.name) return;
    if (data.state === "gone") reports.delete(data.id);
    else reports.set(data.id, data);
  };

  function open() {
    const asked = new URLSearchParams({ transport: transport.name, lane: transport.name, title: transport.title, options: JSON.stringify(options) });
    const opened = window.open(`/lab/classroom/tab.html?${asked}`, "_blank");
    if (opened) windows.push(opened);
    else refused += 1;
    return Boolean(opened);
  }

  // So many at once; browsers may let through only the first of them.
  function openUntil(n) {
    refused = 0;
    while (number() < n && open());
  }

  function close() {
    for (const one of windows.splice(0)) one.close();
    refused = 0;
  }

  const number = () => windows.filter((one) => !one.closed).length;

  // Made of the reports alone. `own`: whether the lane itself is open.
  function sentence(own) {
    const told = [...reports.values()];
    if (!told.length) return refused ? "The browser has opened no tab: allow pop-ups for this page, or open them one by one." : "";
    const now = Date.now();
    const open = told.filter(({ state }) => state === "open").length + (own ? 1 : 0);
    const waiting = told.filter(({ state, since }) => state !== "open" && now - since > SETTLED);
    const longest = Math.max(...waiting.map(({ since }) => now - since));
    const none = waiting.filter(({ events }) => !events).length;
    const parts = [
      `${count(told.length + 1, "page")} follow this at one origin, this one among them: ${open} ${open === 1 ? "is" : "are"} open`,
      waiting.length ? `${waiting.length} ${waiting.length === 1 ? "has" : "have"} waited up to ${words(longest)}` : "",
      none ? `${none} of them ${none === 1 ? "has" : "have"} got no event at all` : "",
      refused ? "the browser refused to open more: allow pop-ups for this page, or open them one by one" : "",
    ];
    return `${parts.filter(Boolean).join("; ")}.`;
  }

  return { open, openUntil, close, sentence, get number() { return number(); } };
}
