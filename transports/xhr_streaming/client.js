import { keepTrying, onAbort } from "/lab/retry.js";
import { lineReader } from "/lab/lines.js";

// `limit`: bytes after which the server ends the response, because responseText keeps all of it.
// `look`: seconds between looks at responseText; 0 = wait for progress events, which come every 50 ms.
export function connect(base, sink, { limit = 1 << 20, look = 0, ...options }) {
  return keepTrying((cursor, signal, sink) => new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    const feed = lineReader(sink);
    let read = 0;
    const take = () => {
      if (request.readyState < 3 || request.status !== 200) return;
      const text = request.responseText; // builds the whole text anew: ask once
      try { if (text.length > read) feed(text.slice(read)); } catch (error) { failed(error); } // a sign-in page, say
      read = text.length;
    };
    const looking = look && setInterval(take, look * 1000);
    if (!look) request.onprogress = take;
    request.onreadystatechange = () => { if (request.readyState === 2 && request.status === 200) sink.open(); };
    request.onload = () => { take(); if (request.status === 200) done(); else failed(new Error(`HTTP ${request.status}`)); };
    request.onerror = () => failed(new Error("the connection broke"));
    request.onloadend = () => clearInterval(looking);
    onAbort(signal, () => { request.abort(); failed(signal.reason); });
    request.open("GET", `${base}/events?cursor=${cursor}&limit=${limit}`);
    request.send();
  }), sink, options);
}
