// The two halves of a transport side by side: the very files that run, as text.
const halves = new Map();

async function text(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: HTTP ${answer.status}`);
  return answer.text();
}

// Both are read once; the registry says where the browser's is, and the server's is named alike.
function read({ name, client }) {
  const folder = name.split(":")[0];
  if (!halves.has(folder)) halves.set(folder, Promise.all([text(`/classroom/halves/${folder}`), text(client)]));
  return halves.get(folder);
}

// A line each, so that the sheet can number them: what is copied has no numbers.
function listing(title, source) {
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  const listed = document.createElement("pre");
  caption.textContent = title;
  listed.tabIndex = 0; // it scrolls
  listed.setAttribute("aria-label", title);
  listed.append(...source.trimEnd().split("\n").map((line) => {
    const code = document.createElement("code");
    code.textContent = `${line}\n`;
    return code;
  }));
  figure.append(caption, listed);
  return figure;
}

export async function showCode(element, transport) {
  const folder = transport.name.split(":")[0];
  try {
    const [server, browser] = await read(transport);
    element.replaceChildren(
      listing(`On the server: transports/${folder}/__init__.py`, server),
      listing(`In the browser: transports/${folder}/client.js`, browser),
    );
  } catch (error) {
    halves.delete(folder);
    element.textContent = `The code can't be shown: ${error.message}`;
  }
}
