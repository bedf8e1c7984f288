// The question on the board: who has voted, and after it, how: before and after the discussion, side by side.
import { drawn, sketches } from "/lab/classroom/drawing.js";

const make = (name, text = "", also = {}) => Object.assign(document.createElement(name), { textContent: text, ...also });
const NEXT = { before: ["discuss", "Close, and discuss"], discuss: ["after", "Vote again"], after: ["shown", "Show the votes"] };
const BACK = { discuss: "before", after: "discuss", shown: "after" };
const SAYS = {
  before: "First vote: everybody for themselves.",
  discuss: "Talk about it with your neighbours.",
  after: "Second vote.",
  shown: "The votes, before and after the discussion.",
};
const ROUNDS = ["before", "after"];
const WHEN = { before: "Before the discussion", after: "After it" };
const BINS = 12;

// → {show(question, {earlier, busy, over})}; earlier: it is not asked any more; busy: a lesson is being run; over: so is the
// class, and nothing is to be hidden.
export function poll(box, ask) {
  let current = "";
  let open = false; // whether votes are shown before the end

  function show(question, { earlier = false, busy = false, over = false } = {}) {
    const now = JSON.stringify([question, earlier, Boolean(busy), over, open]);
    if (now === current) return;
    current = now;
    const focused = box.contains(document.activeElement) ? document.activeElement.id : "";
    box.replaceChildren(...(question ? parts(question, earlier, busy, over) : [make("p", "No question has been asked yet.", { className: "soft" })]));
    if (focused) document.getElementById(focused)?.focus();
  }

  function parts(question, earlier, busy, over) {
    const { text, phase, before, after, answer } = question;
    const counts = phase === "before" ? `${before.voted} have voted` : `${before.voted} have voted, ${after.voted} again`;
    const seen = phase === "shown" || open || over;
    const bars = make("div", "", { className: "bars" });
    if (question.options.length) bars.append(...question.options.map((option, nth) => bar(option, nth, question, seen)));
    else if (seen) bars.append(...(question.kind === "curve" ? curves(question) : values(question)));
    return [
      make("h3", text, { className: "asked" }), make("p", SAYS[over ? "shown" : phase], { className: "soft" }), bars,
      make("p", counts), ...(answer ? truth(answer) : []), steps(question, earlier, busy),
    ];
  }

  const shownRounds = ({ phase }) => (phase === "before" || phase === "discuss" ? ["before"] : ROUNDS);

  function bar(option, nth, question, seen) {
    const row = make("div", "", { className: "option" });
    row.append(make("span", option, { className: "answer" }));
    const right = question.answer?.given;
    row.classList.toggle("right", question.kind === "choice" && right === nth);
    for (const round of seen ? shownRounds(question) : []) {
      const { counts, voted } = question[round];
      row.append(...meter(round, counts[nth], voted));
    }
    return row;
  }

  function meter(round, count, voted, label = round) {
    const box = make("span", "", { className: `meter ${round}` });
    const fill = make("span", "", { className: "fill" });
    fill.style.inlineSize = `${voted ? 100 * count / voted : 0}%`;
    box.append(fill);
    return [make("span", label, { className: "soft" }), box, make("span", String(count), { className: "count" })];
  }

  // Curves: a drawing for each round, all to the same scale.
  function curves(question) {
    const figures = (question.answer?.figures ?? []).map(([value, low, high]) => ({ value, low, high }));
    const most = Math.max(...ROUNDS.flatMap((round) => question[round].values.flat()));
    return shownRounds(question).map((round) => {
      const given = question[round].values;
      const figure = make("figure");
      const place = make("div", "", { className: "drawing" });
      figure.append(make("figcaption", `${WHEN[round]}: ${given.length} ${given.length === 1 ? "sketch" : "sketches"}`), place);
      drawn(place, (size) => sketches({ ...question, ask: WHEN[round], given, figures, most }, size));
      return figure;
    });
  }

  // A number: how many said how much, in bins of equal width or of equal ratio.
  function values(question) {
    const { unit, answer } = question;
    const held = Object.fromEntries(ROUNDS.map((round) => [round, question[round].values]));
    const measured = answer?.figures[0]?.filter((end) => end !== null) ?? [];
    const all = [...held.before, ...held.after, ...measured];
    if (!all.length) return [];
    const bins = binned(all);
    const rows = bins.map(([low, high], nth) => {
      const inside = (value) => value >= low && (value < high || nth === bins.length - 1);
      const row = make("div", "", { className: "bin" });
      const right = measured.some(inside);
      row.classList.toggle("right", right);
      const both = make("span", "", { className: "both" });
      const counts = shownRounds(question).map((round) => {
        const count = held[round].filter(inside).length;
        both.append(meter(round, count, held[round].length)[1]);
        return make("span", String(count), { className: round === "before" ? "soft" : "count" });
      });
      row.append(make("span", `${low}–${high}${unit ? ` ${unit}` : ""}${right ? " ✓" : ""}`), both, ...counts);
      return row;
    });
    return [...rows, make("p", measured.length ? "Grey: before the discussion; coloured: after it; ✓ where the measured value lies." : "Grey: before the discussion; coloured: after it.", { className: "soft" })];
  }

  function binned(all) {
    const [low, high] = [Math.min(...all), Math.max(...all)];
    if (low === high) return [[low, high]];
    const log = low > 0 && high / low > 30;
    const at = (share) => (log ? low * (high / low) ** share : low + (high - low) * share);
    const count = Math.min(BINS, 4 + Math.ceil(Math.sqrt(all.length)));
    const ends = Array.from({ length: count + 1 }, (_, nth) => Number(at(nth / count).toPrecision(3)));
    [ends[0], ends[count]] = [low, high];
    return ends.slice(1).map((end, nth) => [ends[nth], end]).filter(([from, to]) => from < to);
  }

  // What was measured, and how many had said so.
  function truth({ says, note, marks }) {
    const share = (round) => {
      const { right = 0, wrong = 0, open: untold = 0 } = marks[round] ?? {};
      const voted = right + wrong + untold;
      return voted ? `${round} the discussion ${right} of ${voted} were right${untold ? `, and of ${untold} this run does not tell` : ""}` : "";
    };
    const told = ROUNDS.map(share).filter(Boolean).join("; ");
    const lines = [make("p", `Measured: ${says}`, { className: "measured-truth" })];
    if (told) lines.push(make("p", `${told[0].toUpperCase()}${told.slice(1)}.`));
    if (note) lines.push(make("p", note, { className: "soft" }));
    return lines;
  }

  function steps(question, earlier, busy) {
    const row = make("div", "", { className: "row held" });
    const next = NEXT[question.phase];
    if (next) {
      const [phase, text] = next;
      const button = make("button", text, { type: "button", className: "main", id: "next-phase" });
      button.addEventListener("click", () => { open = false; ask("phase", { phase }); });
      row.append(button);
    }
    if (question.phase !== "shown") {
      const button = make("button", "Show them now", { type: "button", id: "show-votes" });
      button.setAttribute("aria-pressed", String(open));
      button.addEventListener("click", () => { open = !open; show(question, { earlier, busy }); });
      row.append(button);
    }
    if (!earlier && BACK[question.phase] && !question.answer) {
      const button = make("button", "Back", { type: "button", id: "last-phase", title: "As it was before the last step" });
      button.addEventListener("click", () => { open = false; ask("phase", { phase: BACK[question.phase] }); });
      row.append(button);
    }
    const lesson = question.step.split("/")[0];
    if (lesson && !question.answer && !busy) {
      const button = make("button", "Measure the answer", { type: "button", id: "run-lesson" });
      button.addEventListener("click", () => ask("run", { lesson }));
      row.append(button);
    }
    return row;
  }

  return { show };
}
