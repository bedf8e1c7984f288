// What the source has sent, on the time axis of the lanes: a tick for each event, when it was due.
import { inks } from "/lab/look.js";
import { SPAN, room } from "./scale.js";

// `element` holds a canvas. → {layout(), note(entry), draw(now), perSecond(now)}
export function strip(element) {
  const canvas = element.querySelector("canvas");
  const context = canvas.getContext("2d");
  const dues = [];
  let look = null;

  function layout() {
    look = room(element);
    if (!look) return;
    Object.assign(canvas, { width: look.width, height: look.height });
    Object.assign(look, inks(element, "soft", "line"));
  }

  function note({ due }) {
    dues.push(due);
  }

  function forget(now) {
    let old = 0;
    while (old < dues.length && dues[old] < now - SPAN) old += 1;
    if (old > 100) dues.splice(0, old);
  }

  function draw(now) {
    forget(now);
    if (!look) return;
    const { left, right, height, width, ratio, perMs } = look;
    const base = Math.round(now * perMs);
    context.clearRect(0, 0, width, height);
    context.fillStyle = look.line;
    context.fillRect(left, height - 1, width - left, 1);
    context.fillStyle = look.soft;
    for (const due of dues) {
      const x = right - base + Math.round(due * perMs);
      if (x >= left) context.fillRect(x, 2, ratio, height - 2);
    }
  }

  // Events of the last two seconds, by when they were due.
  function perSecond(now) {
    return dues.reduce((sum, due) => sum + (due > now - 2000 && due <= now ? 1 : 0), 0) / 2;
  }

  return { layout, note, draw, perSecond };
}
