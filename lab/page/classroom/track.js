// Where the events of a lane are seen: time goes to the left, and each event is a dot that leaves the source at the top
// right and sinks for as long as it is on its way. Where it has arrived, it stays: how deep that is, is its latency.
//
// What has come to rest is painted once, on a paper that is rolled past; only what is on its way is drawn in each frame.
import { inks } from "/lab/look.js";
import { SPAN, TICKS, down, room } from "./scale.js";

const PULSE = 250; // ms for which an arrival is seen
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

// `element` holds a canvas. → {changed(mark), flag(at, text), label(mark, text), draw(now, waiting), layout(marks), nearest(x, y, now), pick(mark)}
export function track(element, colour) {
  const canvas = element.querySelector("canvas");
  const context = canvas.getContext("2d");
  const ground = document.createElement("canvas");
  const paper = document.createElement("canvas");
  const flags = [];
  const labels = new Map(); // what marks are called
  let pulses = [];
  let look = null;
  let painted = null; // the last column that the paper has
  let picked = null;
  let marks = new Map();

  // Sizes are pixels of the device, so that nothing is blurred.
  function layout(all = marks) {
    marks = all;
    const space = room(element);
    if (!space) { look = null; return; }
    const { ratio, rem, width, height, dot } = space;
    const bottom = Math.round(rem * 0.95 * ratio);
    look = { ...space, top: Math.ceil(dot * 2), floor: height - bottom, lost: height - bottom / 2, inks: inks(element, "ink", "soft", "line", "card", "lost") };
    look.pictures = pictures(look, colour);
    for (const one of [canvas, ground]) Object.assign(one, { width, height });
    Object.assign(paper, { width: look.right - look.left + 8 * Math.ceil(dot), height });
    drawGround(ground.getContext("2d"), look);
    painted = null;
  }

  const depth = (latency) => look.top + down(latency) * (look.floor - look.top);
  const column = (time) => Math.round(time * look.perMs);
  const height = (mark) => (mark.state === "lost" ? look.lost : depth(mark.latency));

  // A mark that has come to rest, or has been revised.
  function changed(mark, before) {
    if (!look || painted === null || mark.state === "waiting") return;
    if (before === "lost") { painted = null; return; } // what was painted was wrong: all anew
    paint(mark);
    if (mark.state !== "lost" && mark.times === 1 && !CALM.matches) pulses.push({ mark, until: mark.received + PULSE });
  }

  function paint(mark) {
    const x = column(mark.entry.due);
    if (x <= painted - (look.right - look.left)) return;
    stamp(look.pictures[mark.state], x, height(mark));
    if (mark.times > 1) stamp(look.pictures.again, x, height(mark));
  }

  // The paper is a ring: what is beyond its end is at its beginning.
  function stamp(picture, x, y) {
    const ink = paper.getContext("2d");
    const at = modulo(x, paper.width) - picture.width / 2;
    const place = Math.round(y - picture.height / 2);
    for (const shift of [0, paper.width, -paper.width]) {
      if (at + shift < paper.width && at + shift + picture.width > 0) ink.drawImage(picture, Math.round(at + shift), place);
    }
  }

  function roll(now) {
    const to = column(now) + 2 * Math.ceil(look.dot);
    const ink = paper.getContext("2d");
    if (painted === null || to - painted >= paper.width) {
      ink.clearRect(0, 0, paper.width, paper.height);
      painted = to;
      for (const mark of marks.values()) if (mark.state !== "waiting") paint(mark);
      return;
    }
    for (let x = painted + 1; x <= to; x += 1) ink.clearRect(modulo(x + 2 * Math.ceil(look.dot), paper.width), 0, 1, paper.height);
    painted = Math.max(painted, to);
  }

  function draw(now, waiting) {
    if (!look) return;
    roll(now);
    context.clearRect(0, 0, look.width, look.height);
    context.drawImage(ground, 0, 0);
    drawSeconds(now);
    drawPaper(now);
    drawWaiting(now, waiting);
    drawPulses(now);
    drawFlags(now);
    drawLabels(now);
    if (picked) ring(place(picked, now), look.dot * 2.2, look.inks.ink);
  }

  const place = (mark, now) => {
    const age = mark.state === "waiting" ? now - mark.entry.due : mark.latency;
    return [look.right - column(now) + column(mark.entry.due), mark.state === "lost" ? look.lost : depth(age)];
  };

  function drawPaper(now) {
    const width = look.right - look.left + 2 * Math.ceil(look.dot);
    const from = modulo(column(now) - (look.right - look.left), paper.width);
    const first = Math.min(width, paper.width - from);
    context.drawImage(paper, from, 0, first, look.height, look.left, 0, first, look.height);
    if (first < width) context.drawImage(paper, 0, 0, width - first, look.height, look.left + first, 0, width - first, look.height);
  }

  function drawSeconds(now) {
    context.fillStyle = look.inks.line;
    for (let second = Math.ceil((now - SPAN) / 1000); second * 1000 <= now; second += 1) {
      context.fillRect(look.right - column(now) + column(second * 1000), look.top, 1, look.floor - look.top);
    }
  }

  function drawWaiting(now, waiting) {
    const picture = look.pictures.waiting;
    for (const mark of waiting.values()) {
      const [x, y] = place(mark, now);
      if (x >= look.left) context.drawImage(picture, Math.round(x - picture.width / 2), Math.round(y - picture.height / 2));
    }
  }

  function drawPulses(now) {
    pulses = pulses.filter(({ until }) => until > now);
    for (const { mark, until } of pulses) {
      const [x, y] = place(mark, now);
      if (x < look.left) continue;
      context.globalAlpha = (until - now) / PULSE;
      ring([x, y], look.dot * (1 + 3 * (1 - (until - now) / PULSE)), colour);
    }
    context.globalAlpha = 1;
  }

  function drawFlags(now) {
    context.font = `600 ${0.68 * look.rem * look.ratio}px system-ui, sans-serif`;
    for (const { at, text } of flags) {
      const x = look.right - column(now) + column(at);
      if (x < look.left) continue;
      context.fillStyle = look.inks.lost;
      context.fillRect(x, 0, Math.max(1, look.ratio), look.height);
      const fits = x + context.measureText(text).width + 6 * look.ratio < look.width;
      context.textAlign = fits ? "left" : "right";
      context.fillText(text, x + (fits ? 4 : -4) * look.ratio, look.floor - 4 * look.ratio);
    }
  }

  function drawLabels(now) {
    context.font = `600 ${0.75 * look.rem * look.ratio}px system-ui, sans-serif`;
    context.fillStyle = look.inks.ink;
    context.textAlign = "right";
    for (const [mark, text] of labels) {
      const [x, y] = place(mark, now);
      if (x < look.left) { labels.delete(mark); continue; }
      ring([x, y], look.dot * 1.8, look.inks.ink);
      const above = y > look.top + look.rem * look.ratio;
      const at = [x - look.dot * 2.5, y + (above ? -0.5 : 1) * look.rem * look.ratio * 0.6];
      Object.assign(context, { strokeStyle: look.inks.card, lineWidth: 4 * look.ratio });
      context.strokeText(text, ...at); // dots lie beneath it
      context.fillText(text, ...at);
    }
  }

  function ring([x, y], radius, ink) {
    context.strokeStyle = ink;
    context.lineWidth = 1.5 * look.ratio;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.stroke();
  }

  // Something happened at that instant.
  function flag(at, text) {
    flags.push({ at, text });
    if (flags.length > 20) flags.shift();
  }

  // What that mark is called, for as long as it is seen.
  function label(mark, text) {
    labels.set(mark, text);
  }

  // The mark that is drawn there, in CSS pixels of the element; null where there is none.
  function nearest(x, y, now) {
    if (!look) return null;
    let best = null;
    let least = 14 * look.ratio;
    for (const mark of marks.values()) {
      const [left, top] = place(mark, now);
      const far = Math.hypot(left - x * look.ratio, top - y * look.ratio);
      if (far < least) [best, least] = [mark, far];
    }
    return best;
  }

  return { layout, changed, draw, flag, label, nearest, pick(mark) { picked = mark; } };
}

function modulo(x, n) {
  return ((x % n) + n) % n;
}

// The lines and words that don't move.
function drawGround(context, look) {
  context.font = `${0.68 * look.rem * look.ratio}px system-ui, sans-serif`;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const [latency, text] of TICKS) {
    const y = Math.round(look.top + down(latency) * (look.floor - look.top));
    context.fillStyle = look.inks.line;
    context.fillRect(look.left, y, look.width - look.left, 1);
    context.fillStyle = look.inks.soft;
    context.fillText(text, look.left - 5 * look.ratio, y);
  }
  context.fillStyle = look.inks.soft;
  context.fillText("lost", look.left - 5 * look.ratio, look.lost);
}

// What marks look like: told apart by their shapes, and not by colour alone.
function pictures({ dot, ratio, inks: { ink, lost } }, colour) {
  const draw = (act) => {
    const picture = document.createElement("canvas");
    picture.width = picture.height = 2 * Math.ceil(dot * 2);
    const context = picture.getContext("2d");
    context.translate(picture.width / 2, picture.height / 2);
    Object.assign(context, { fillStyle: colour, strokeStyle: colour, lineWidth: 1.3 * ratio });
    context.beginPath();
    act(context);
    return picture;
  };
  return {
    waiting: draw((context) => { context.arc(0, 0, dot * 0.85, 0, 2 * Math.PI); context.stroke(); }),
    here: draw((context) => { context.arc(0, 0, dot, 0, 2 * Math.PI); context.fill(); }),
    late: draw((context) => { polygon(context, [[0, -1.4], [1.4, 1.1], [-1.4, 1.1]], dot); context.fill(); }),
    again: draw((context) => {
      Object.assign(context, { strokeStyle: ink });
      context.rect(-dot * 1.5, -dot * 1.5, dot * 3, dot * 3);
      context.stroke();
    }),
    lost: draw((context) => {
      Object.assign(context, { strokeStyle: lost, lineWidth: 1.8 * ratio });
      for (const way of [1, -1]) { context.moveTo(-dot, -way * dot); context.lineTo(dot, way * dot); }
      context.stroke();
    }),
  };
}

function polygon(context, points, size) {
  for (const [x, y] of points) context.lineTo(x * size, y * size);
  context.closePath();
}
