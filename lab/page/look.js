// How a page looks: large type for a projector, and light or dark against what the system says. Both have a switch in
// the page's head, and are kept for its address.
const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");
const themed = CSS.supports("color", "light-dark(#000, #fff)");
const told = new Set();

const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

// Some browsers keep nothing in private windows.
const kept = {
  get(name) { try { return localStorage.getItem(name); } catch { return null; } },
  set(name, value) { try { localStorage.setItem(name, value); } catch { /* kept as long as the page */ } },
};

function put(name, value) {
  if (value) root.dataset[name] = value;
  else delete root.dataset[name];
}

function turn(name, value) {
  put(name, value);
  kept.set(name, value);
  show();
}

function button(id, act) {
  const made = Object.assign(document.createElement("button"), { type: "button", id });
  made.addEventListener("click", act);
  return made;
}

const large = button("large", () => turn("type", root.dataset.type === "large" ? "" : "large"));
const theme = button("theme", () => turn("theme", dark() ? "light" : "dark"));
large.textContent = "Large type";

function show() {
  large.setAttribute("aria-pressed", String(root.dataset.type === "large"));
  theme.textContent = dark() ? "Light" : "Dark";
  for (const act of told) act();
}

// Calls act() whenever anything may look different.
export function onLook(act) {
  told.add(act);
}

// The colours of that element's place, for a canvas, which takes no variables: inks(element, "ink", "soft") → {ink, soft}.
export function inks(element, ...names) {
  const probe = document.createElement("i");
  probe.hidden = true;
  element.append(probe);
  const found = Object.fromEntries(names.map((name) => {
    probe.style.color = `var(--${name})`;
    return [name, getComputedStyle(probe).color];
  }));
  probe.remove();
  return found;
}

put("type", kept.get("type"));
if (themed) put("theme", kept.get("theme"));
document.querySelector(".top .controls")?.append(large, ...(themed ? [theme] : []));
system.addEventListener("change", show);
show();
