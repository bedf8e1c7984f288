// The question on the board: who has voted, and after it, how: before and after the discussion, side by side.
const make = (name, text = "", also = {}) => Object.assign(document.createElement(name), { textContent: text, ...also });
const NEXT = { before: ["discuss", "Close, and discuss"], discuss: ["after", "Vote again"], after: ["shown", "Show the votes"] };
const SAYS = {
  before: "First vote: everybody for themselves.",
  discuss: "Talk about it with your neighbours.",
  after: "Second vote.",
  shown: "The votes, before and after the discussion.",
};

// → {show(question)}
export function poll(box, ask) {
  let drawn = "";
  let open = false; // whether votes are shown before the end

  function show(question) {
    const now = JSON.stringify([question, open]);
    if (now === drawn) return;
    drawn = now;
    const focused = box.contains(document.activeElement) ? document.activeElement.id : "";
    box.replaceChildren(...(question ? parts(question) : [make("p", "No question has been asked yet.", { className: "soft" })]));
    if (focused) document.getElementById(focused)?.focus();
  }

  function parts(question) {
    const { text, phase, before, after } = question;
    const counts = phase === "before" ? `${before.voted} have voted` : `${before.voted} have voted, ${after.voted} again`;
    const bars = make("div", "", { className: "bars" });
    const seen = phase === "shown" || open;
    if (question.options.length) bars.append(...question.options.map((option, nth) => bar(option, nth, question, seen)));
    return [make("h3", text, { className: "asked" }), make("p", SAYS[phase], { className: "soft" }), bars, make("p", counts), steps(question)];
  }

  function bar(option, nth, { before, after, phase }, seen) {
    const row = make("div", "", { className: "option" });
    row.append(make("span", option, { className: "answer" }));
    if (!seen) return row;
    for (const [round, { counts, voted }] of Object.entries({ before, after })) {
      if (round === "after" && (phase === "before" || phase === "discuss")) continue;
      const meter = make("span", "", { className: `meter ${round}` });
      const fill = make("span", "", { className: "fill" });
      fill.style.inlineSize = `${voted ? 100 * counts[nth] / voted : 0}%`;
      meter.append(fill);
      row.append(make("span", round, { className: "soft" }), meter, make("span", `${counts[nth]}`, { className: "count" }));
    }
    return row;
  }

  function steps(question) {
    const row = make("div", "", { className: "row held" });
    const next = NEXT[question.phase];
    if (next) {
      const [phase, text] = next;
      const button = make("button", text, { type: "button", className: "main", id: "next-phase" });
      button.addEventListener("click", () => { open = false; ask("phase", { phase }); });
      row.append(button);
    }
    if (question.phase !== "shown") {
      const button = make("button", open ? "Hide the votes" : "Show them now", { type: "button", id: "show-votes" });
      button.setAttribute("aria-pressed", String(open));
      button.addEventListener("click", () => { open = !open; show(question); });
      row.append(button);
    }
    return row;
  }

  return { show };
}
