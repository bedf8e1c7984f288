// An interface of the browser, hidden from this page as if it had never had it, and what a lane falls back to then.
const PATTERNS = ["socket", "streaming", "long polling", "polling"]; // from the most direct on

const hidden = new Map();

// Really: whoever uses it gets the browser's own error.
export function hide(name) {
  hidden.set(name, Object.getOwnPropertyDescriptor(window, name));
  delete window[name];
}

export function giveBack(name) {
  Object.defineProperty(window, name, hidden.get(name));
  hidden.delete(name);
}

// Whether this page has all that the transport says it uses.
export function able({ uses }) {
  const names = new Set(Object.getOwnPropertyNames(window).map((name) => name.toLowerCase()));
  return uses.every((use) => names.has(use));
}

// What to fall back to, of what there is: the newest that asks in the same way, else in the next one.
export function next(transport, all) {
  const order = PATTERNS.slice(Math.max(PATTERNS.indexOf(transport.pattern), 0));
  const plain = all.filter((one) => !one.name.includes(":") && one.client !== transport.client && able(one));
  for (const pattern of order) {
    const [newest] = plain.filter((one) => one.pattern === pattern).sort((one, other) => other.year - one.year);
    if (newest) return newest;
  }
  return null;
}
