// The question that is asked, and a vote: one before the discussion, one after it.
import { confronted, drawn, told } from "/lab/classroom/drawing.js";

const HINTS = {
  before: "Vote by yourself, before you talk about it.",
  discuss: "Talk about it with your neighbours. Then you vote again.",
  after: "Vote again, also if it stays the same. You may have changed your mind.",
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
    const kept = question.kind === "choice" && round && given !== null; // other forms say it themselves
    const said = make("p", kept ? "Your vote is kept. You may change it." : "", { className: "soft" });
    said.setAttribute("role", "status");
    const answer = question.kind === "choice" ? choice(question, round, given, (what) => send(question, round, what, said)) : other(question, round, given);
    const measured = question.answer ? confrontation(question, given) : [];
    card.replaceChildren(make("h2", text), make("p", HINTS[phase], { className: "soft" }), answer, ...measured, said);
    if (focused !== undefined) card.querySelector(`[data-nth="${focused}"]`)?.focus();
  }

  // What was measured, and what this device has said beside it.
  function confrontation(question, given) {
    const { unit, answer: { says, figures } } = question;
    const parts = [make("p", `Measured: ${says}`, { className: "measured-truth" })];
    if (given === null || question.kind === "choice") return parts;
    const known = figures.map(([value, low, high]) => ({ value, low, high, text: value === null ? "not measured" : `${told(value)} ${unit}` }));
    const place = make("div", "", { className: "drawing" });
    drawn(place, (size) => confronted({ ...question, ask: question.text, labels: question.options, given, figures: known }, size));
    return [place, ...parts];
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

  function choice({ options, votes, answer }, round, given, give) {
    const list = make("div", "", { className: "options" });
    list.append(...options.map((text, nth) => {
      const button = make("button", text, { type: "button", disabled: !round });
      button.dataset.nth = nth;
      button.setAttribute("aria-pressed", String(given === nth));
      if (answer?.given === nth) button.append(make("span", "measured", { className: "right" }));
      if (round === "after" && votes.before === nth) button.append(make("span", "your first vote", { className: "soft" }));
      button.addEventListener("click", () => give(nth));
      return button;
    }));
    return list;
  }

  // A lesson's question: asked as in the lesson itself.
  function other(question, round, given) {
    const place = make("div");
    import("/lab/classroom/question.js").then(({ asked }) => {
      const form = asked({ ...question, ask: question.text, labels: question.options }, "Vote", async (what) => {
        await vote({ question: question.number, round, vote: what });
      });
      form.kept(given ?? undefined, Boolean(round));
      if (round === "after" && given === null && question.votes.before !== null) form.start(question.votes.before);
      place.replaceChildren(form.element);
    });
    return place;
  }

  return { show };
}
