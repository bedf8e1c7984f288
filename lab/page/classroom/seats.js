// Who is there: an entry for each device.
import { sure } from "/lab/classroom/sure.js";

const STATES = { open: "", connecting: "connecting", lost: "has lost its connection", away: "is away", stored: "" };

const written = (ms) => (ms >= 10 ? ms.toFixed(0) : ms.toFixed(1));

// → {show(seats, lanes)}
export function seats(list, template, ask) {
  const elements = new Map();

  function show(all, lanes) {
    const held = new Set(all.map(({ number }) => number));
    for (const [number, element] of elements) if (!held.has(number)) { element.remove(); elements.delete(number); }
    for (const seat of all) fill(seat, lanes.find(({ name }) => name === seat.transport));
  }

  function fill(seat, lane) {
    const now = JSON.stringify(seat);
    const element = elements.get(seat.number) ?? make(seat);
    if (element.dataset.now === now) return;
    element.dataset.now = now;
    element.dataset.state = seat.state;
    element.querySelector("path").setAttribute("d", lane?.shape ?? "");
    element.querySelector("path").style.fill = lane?.colour ?? "";
    element.querySelector(".name").textContent = seat.name;
    element.querySelector("button").setAttribute("aria-label", `Take the seat of ${seat.name} away`);
    element.querySelector(".told").textContent = said(seat, lane);
  }

  function said({ browser, tested, state, bound, step }, lane) {
    const clock = bound === undefined ? "" : bound === null ? "clock not set yet" : `clock ±${written(bound)} ms${step >= 0.5 ? `, ${written(step)} of it its timer’s step` : ""}`;
    return [browser, tested ? "" : "engine never tested", lane?.title, STATES[state], clock].filter(Boolean).join(" · ");
  }

  function make({ number }) {
    const element = template.content.firstElementChild.cloneNode(true);
    sure(element.querySelector("button"), "Take the seat away?", () => ask("remove", { seat: number }));
    elements.set(number, element);
    list.append(element);
    return element;
  }

  return { show };
}
