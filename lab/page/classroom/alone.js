// One card of a board by itself, for a projector: by a button in its head, and Escape shows all of them again.
export function alone(board) {
  const buttons = new Map([...board.children].map((card) => [card, button(card)]));

  function button(card) {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: "Only this", className: "quiet only" });
    made.setAttribute("aria-pressed", "false");
    made.addEventListener("click", () => show(made.getAttribute("aria-pressed") === "true" ? null : card));
    card.querySelector(":scope > header").append(made);
    return made;
  }

  function show(chosen) {
    board.classList.toggle("one", chosen !== null);
    for (const [card, made] of buttons) {
      card.classList.toggle("alone", card === chosen);
      made.setAttribute("aria-pressed", String(card === chosen));
    }
  }

  document.addEventListener("keydown", ({ key }) => { if (key === "Escape") show(null); });
}
