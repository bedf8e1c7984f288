// The question that is asked, and a vote: one before the discussion, one after it.
const HINTS = {
  before: "Vote by yourself, before you talk about it.",
  discuss: "Talk about it with your neighbours. Then you vote again.",
  after: "Vote again. You may have changed your mind.",
  shown: "The votes are on the board.",
};

// → {show(question)}; vote({question, round, vote}) → Promise
export function ballot(card, vote) {
  const make = (name, text = "", also = {}) => Object.assign(document.createElement(name), { textContent: text, ...also });
  let shown = "";

  function show(question) {
    const now = JSON.stringify(question);
    if (now === shown) return;
    shown = now;
    card.hidden = !question;
    if (question) draw(question);
  }

  function draw(question) {
    const { text, phase, votes } = question;
    const round = phase === "before" || phase === "after" ? phase : null;
    const given = round ? votes[round] : votes.after ?? votes.before;
    const focused = card.contains(document.activeElement) ? document.activeElement.dataset.nth : undefined;
    const said = make("p", round && given !== null ? "Your vote is kept. You may change it." : "", { className: "soft" });
    said.setAttribute("role", "status");
    const answer = (KINDS[question.kind] ?? KINDS.choice)(question, round, given, (what) => send(question, round, what, said));
    card.replaceChildren(make("h2", text), make("p", HINTS[phase], { className: "soft" }), answer, said);
    if (focused !== undefined) card.querySelector(`[data-nth="${focused}"]`)?.focus();
  }

  async function send({ number }, round, what, said) {
    said.textContent = "…";
    try {
      await vote({ question: number, round, vote: what });
      said.textContent = "Your vote is kept. You may change it.";
    } catch (error) {
      said.textContent = `Not kept: ${error.message}. Try again.`;
    }
  }

  function choice({ options, votes }, round, given, give) {
    const list = make("div", "", { className: "options" });
    list.append(...options.map((text, nth) => {
      const button = make("button", text, { type: "button", disabled: !round });
      button.dataset.nth = nth;
      button.setAttribute("aria-pressed", String(given === nth));
      if (round === "after" && votes.before === nth) button.append(make("span", "your first vote", { className: "soft" }));
      button.addEventListener("click", () => give(nth));
      return button;
    }));
    return list;
  }

  function number({ unit }, round, given, give) {
    const form = make("form", "", { className: "number" });
    const input = make("input", "", { type: "number", step: "any", required: true, disabled: !round, value: given ?? "" });
    input.setAttribute("aria-label", `Your number${unit ? `, ${unit}` : ""}`);
    input.dataset.nth = 0;
    form.append(input, make("span", unit ?? "", { className: "soft" }), make("button", "Vote", { disabled: !round }));
    form.addEventListener("submit", (event) => { event.preventDefault(); give(input.valueAsNumber); });
    return form;
  }

  function ranking({ options }, round, given, give) {
    let order = given ?? options.map((_, nth) => nth);
    const list = make("ol", "", { className: "ranking" });
    const fill = () => list.replaceChildren(...order.map((nth, at) => {
      const row = make("li");
      const up = make("button", "↑", { type: "button", disabled: !round || at === 0 });
      up.dataset.nth = nth;
      up.setAttribute("aria-label", `${options[nth]} one up`);
      up.addEventListener("click", () => {
        order = order.toSpliced(at, 1).toSpliced(at - 1, 0, nth);
        fill();
        list.querySelector(`[data-nth="${nth}"]`)?.focus();
      });
      row.append(make("span", options[nth]), up);
      return row;
    }));
    fill();
    const both = make("div");
    const button = make("button", "Vote for this order", { type: "button", className: "main", disabled: !round });
    button.addEventListener("click", () => give(order));
    both.append(list, button);
    return both;
  }

  const KINDS = { choice, number, ranking };
  return { show };
}
