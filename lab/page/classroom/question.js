// Asking: a form for each kind of question. What is an answer is the server's to decide, and it says what is wrong.
import { sheet } from "/lab/classroom/drawing.js";

const KINDS = { number, choice, ranking, curve };

// → {element, kept(given, open), start(given): what is there before anything is kept}. keep(given) → Promise; `given` has the form of lab/classroom/teaching/question.py.
export function asked(question, label, keep) {
  const element = make("form", "question");
  const fields = make("fieldset");
  const legend = make("legend", "", question.ask);
  const inputs = KINDS[question.kind](question);
  const button = make("button", "main", label);
  const status = make("p", "status");
  status.setAttribute("role", "status");
  fields.append(legend, inputs.element, button);
  element.append(fields, status);
  element.noValidate = true;
  let known = false;

  element.onsubmit = async (event) => {
    event.preventDefault();
    try {
      await keep(inputs.given());
    } catch (error) {
      status.className = "status wrong";
      status.textContent = error.message;
    }
  };

  function kept(given, open) {
    fields.disabled = !open;
    button.hidden = !open;
    const is = given !== undefined;
    if (is && !known) inputs.set(given);
    if (!is && known) inputs.clear();
    known = is;
    status.className = is ? "status is-kept" : "status";
    status.textContent = is ? `Kept: ${inputs.told(given)}${open ? ". You may still change it." : ""}` : "";
  }

  return { element, kept, start: inputs.set };
}

function make(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

const withUnit = (number, unit) => (unit ? `${number} ${unit}` : String(number));

// A number that nobody has entered is none: the server then says what would be right.
const entered = (field) => (field.value.trim() === "" ? null : Number(field.value));

function field(low, high, unit, label) {
  const made = make("input");
  Object.assign(made, { type: "number", min: low, max: high, step: "any", inputMode: "decimal", autocomplete: "off" });
  made.setAttribute("aria-label", label);
  made.placeholder = `${low} – ${high}`;
  return made;
}

function number({ ask, low, high, unit }) {
  const element = make("p", "entry");
  const input = field(low, high, unit, ask);
  element.append(input, ` ${unit}`);
  return {
    element,
    given: () => entered(input),
    set(given) { input.value = given; },
    clear() { input.value = ""; },
    told: (given) => withUnit(given, unit),
  };
}

function choice({ name, labels }) {
  const element = make("div", "choices");
  const inputs = labels.map((label, nth) => {
    const option = make("label");
    const input = Object.assign(make("input"), { type: "radio", name, value: String(nth) });
    option.append(input, make("span", "", label));
    element.append(option);
    return input;
  });
  return {
    element,
    given() { const chosen = inputs.findIndex((one) => one.checked); return chosen < 0 ? null : chosen; },
    set(given) { inputs[given].checked = true; },
    clear() { for (const one of inputs) one.checked = false; },
    told: (given) => labels[given],
  };
}

function shuffled(count) {
  const order = [...Array(count).keys()];
  for (let at = count - 1; at > 0; at -= 1) {
    const other = Math.floor(Math.random() * (at + 1));
    [order[at], order[other]] = [order[other], order[at]];
  }
  return order;
}

function ranking({ labels, smallest }) {
  const element = make("div");
  const list = make("ol", "ranks");
  element.append(make("p", "soft", `At the top: ${smallest}.`), list);
  let order = shuffled(labels.length);

  function move(at, by) {
    [order[at], order[at + by]] = [order[at + by], order[at]];
    draw();
    const buttons = list.children[at + by].querySelectorAll("button");
    const same = buttons[by < 0 ? 0 : 1];
    (same.disabled ? buttons[by < 0 ? 1 : 0] : same).focus();
  }

  function arrow(at, by, sign, word) {
    const made = make("button", "", sign);
    made.type = "button";
    made.setAttribute("aria-label", `${labels[order[at]]}: ${word}`);
    made.disabled = at + by < 0 || at + by >= order.length;
    made.onclick = () => move(at, by);
    return made;
  }

  function draw() {
    list.replaceChildren(...order.map((which, at) => {
      const row = make("li");
      row.append(make("span", "", labels[which]), arrow(at, -1, "↑", "further up"), arrow(at, 1, "↓", "further down"));
      return row;
    }));
  }

  draw();
  return {
    element,
    given: () => order,
    set(given) { order = [...given]; draw(); },
    clear() { order = shuffled(labels.length); draw(); },
    told: (given) => given.map((one) => labels[one]).join(" < "),
  };
}

function curve({ xs, x, y, low, high, unit }) {
  const element = make("div");
  const place = make("div", "drawing");
  const row = make("div", "points");
  const inputs = xs.map((at) => {
    const label = make("label", "", String(at));
    const input = field(low, high, unit, `${y} at ${at} ${x}`);
    input.placeholder = "";
    input.oninput = () => draw();
    label.append(input);
    row.append(label);
    return input;
  });
  const given = () => inputs.map(entered);
  const paper = sheet(place, { xs, x, y, low, high, unit }, (nth, value) => {
    inputs[nth].value = String(value);
    draw();
  });
  function draw() { paper.draw(given()); }
  element.append(make("p", "soft", `Draw with the mouse or a finger, or enter numbers (${unit}).`), place, row);
  draw();
  return {
    element,
    given,
    set(points) { points.forEach((one, nth) => { inputs[nth].value = one; }); draw(); },
    clear() { for (const one of inputs) one.value = ""; draw(); },
    told: (points) => withUnit(points.join(", "), unit),
  };
}
