// Buttons that break a lane, or all of them, and make it whole again. What is pressed is what the lab says is so.
const FAULTS = [
  ["freeze", "Freeze", "Nothing passes, and no connection ends: half-open"],
  ["delay", "+ 300 ms", "A relay holds everything for 300 ms each way"],
  ["slow", "3G", "A relay holds everything for 150 ms each way, and lets 1.6 Mbit/s pass towards the page, 0.768 Mbit/s away from it; it loses no packets"],
  ["buffer", "Buffer", "A proxy that keeps responses back until they are whole"],
];

// `lane`: the name of one, or null for all. → {element, show(faults of each lane)}
export function breaks(lane, title, { ask }) {
  const element = document.createElement("div");
  element.className = "breaks";
  element.setAttribute("role", "group");
  element.setAttribute("aria-label", `Break ${title}`);
  const toggles = new Map();

  function button(text, hint, act) {
    const made = document.createElement("button");
    Object.assign(made, { type: "button", textContent: text, title: hint });
    made.addEventListener("click", () => act(made));
    element.append(made);
    return made;
  }

  button("Cut", "Every connection is reset now", () => ask("cut", { lane }));
  for (const [kind, text, hint] of FAULTS) {
    const pressed = (made) => made.getAttribute("aria-pressed") === "true";
    toggles.set(kind, button(text, hint, (made) => ask(pressed(made) ? "heal" : "damage", { kind, lane })));
  }
  const heal = button("Heal", "Take all of it away", () => ask("heal", { lane }));

  function show(each) {
    for (const [kind, made] of toggles) {
      made.setAttribute("aria-pressed", String(each.length > 0 && each.every((faults) => faults.includes(kind))));
    }
    heal.disabled = each.every((faults) => !faults.length);
  }

  show([]);
  return { element, show };
}
