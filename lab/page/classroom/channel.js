// A page's line to the classroom: requests with answers, and what it is told. It comes back by itself.
import { keepTrying, onAbort } from "/lab/retry.js";

const WATCHDOG = 13; // seconds without a sign of life, which comes every 5

// → {ask(do, what) → Promise of the answer, close()}
// greeting(): what the first request says, asked anew at each coming back. `on`: what to do when the page is told
// something, by kind; besides on.open(), on.lost(why), on.refused(why): not let in, and that is final.
export function channel(path, greeting, on) {
  const waiting = new Map();
  let socket = null;
  let asked = 0;

  function ask(what, rest = {}) {
    return new Promise((done, failed) => {
      if (socket?.readyState !== WebSocket.OPEN) { failed(new Error("not connected")); return; }
      asked += 1;
      waiting.set(asked, { done, failed });
      socket.send(JSON.stringify({ n: asked, do: what, ...rest }));
    });
  }

  function answered({ answers, ok, refused }) {
    const { done, failed } = waiting.get(answers) ?? {};
    waiting.delete(answers);
    if (refused === undefined) done?.(ok);
    else failed?.(Object.assign(new Error(refused), { refused }));
  }

  function heard(line) {
    const message = JSON.parse(line);
    if ("answers" in message) answered(message);
    else on[message.tells]?.(message);
  }

  function forget(why) {
    for (const { failed } of waiting.values()) failed(new Error(why));
    waiting.clear();
  }

  function attempt(_cursor, signal, sink) {
    return new Promise((_, lost) => {
      const mine = new WebSocket(`${location.origin.replace("http", "ws")}${path}`);
      socket = mine;
      onAbort(signal, () => mine.close());
      mine.onmessage = ({ data }) => sink.event(data);
      mine.onclose = () => { forget("the line is lost"); lost(new Error("the line is lost")); };
      mine.onopen = () => ask("enter", greeting()).then(
        (welcome) => { sink.open(); on.open?.(welcome); },
        (error) => { if (mine.readyState === WebSocket.OPEN) { close(); on.refused?.(error.message); } },
      );
    });
  }

  const hangUp = keepTrying(attempt, {
    cursor: "",
    open() {},
    alive() {},
    event(line) { heard(line); return ""; },
    lost(why) { on.lost?.(why); },
  }, { watchdog: WATCHDOG, longest: 3 });
  const close = () => { hangUp(); forget("closed"); };
  return { ask, close };
}

// The key of whoever may control: behind the # of the address that the lab has printed. Kept for this tab, so that
// neither the address bar, which a projector shows, nor a bookmark tells it.
export function takeKey() {
  const given = location.hash.slice(1);
  if (given) {
    sessionStorage.setItem("key", given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return given || sessionStorage.getItem("key") || "";
}
