// The registry: how a page reaches any transport by its name.
const known = fetch("/lab/transports.json").then((answer) => answer.json());

// → [{name, title, …}], those that can run in a browser
export async function list() {
  const { transports } = await known;
  return Object.entries(transports).map(([name, transport]) => ({ name, ...transport }));
}

// The lab's origins: each has connections of its own.
export async function origins() {
  return (await known).origins;
}

// → hangUp. `origin`: where the server is reached; by default, where the page came from.
export async function connect(name, sink, { origin = location.origin, ...options } = {}) {
  const { transports, settings } = await known;
  if (!(name in transports)) throw new Error(`unknown transport ${name}: there are ${Object.keys(transports).join(", ")}`);
  const transport = transports[name];
  const { connect } = await import(transport.client);
  return connect(origin + transport.base, sink, { ...settings, ...transport.options, ...options });
}
