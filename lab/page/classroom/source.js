// The source's controls: what it plays, what is typed, a file to follow, and a pause.
const PER_BURST = 10;
const MIB = 1 << 20;

// The source's text, as `--source` takes it. `rate` is events in a second, whatever their rhythm.
export function written({ rhythm, rate, size }) {
  if (rhythm !== "bursts") return `${rhythm}:rate=${rate},size=${size}`;
  return `bursts:rate=${rate / PER_BURST},count=${PER_BURST},size=${size}`;
}

// What the controls are to show for it: null where they have nothing like it.
export function understood(text) {
  const [rhythm, rest = ""] = text.split(/:(.*)/s);
  if (!["steady", "poisson", "bursts"].includes(rhythm)) return null;
  const options = Object.fromEntries(rest.split(",").map((option) => option.split("=")));
  const { rate = rhythm === "bursts" ? 2 : 20, count = PER_BURST, size = 100 } = options;
  return { rhythm, rate: rhythm === "bursts" ? rate * count : Number(rate), size: Number(size) };
}

// What plays, for people: in short, and all there is to say of it.
function said(text) {
  if (!text) return ["paused", ""];
  const [kind, file, ...options] = text.split(/[:,]/);
  if (kind !== "lines") return [`plays ${text}`, ""];
  const { most, bytes } = Object.fromEntries(options.map((option) => option.split("=")));
  const size = bytes >= MIB ? `${bytes / MIB} MiB` : `${bytes} bytes`;
  return [
    `follows ${file.split("/").at(-1)}, ≤ ${most} lines/s`,
    `Follows ${file}: ${most} lines and ${size} in a second at most, the rest waits in the file`,
  ];
}

// `form`: the controls. → {show(source, why)}
export function source(form, { ask, published }) {
  const { rhythm, rate, size, pause, typed, path } = form.elements;
  const asked = () => written({ rhythm: rhythm.value, rate: rate.valueAsNumber, size: size.valueAsNumber });
  let playing = "";

  function play() {
    if (rate.reportValidity() && size.reportValidity()) ask("play", { source: asked() });
  }

  function publish() {
    const text = typed.value;
    ask("publish", { text }).then((told) => {
      if (!told) return;
      if (typed.value === text) typed.value = "";
      published(told.join("-"), text);
      document.getElementById("published").textContent = `published as event ${told[1]}`;
    });
  }

  for (const one of [rhythm, rate, size]) one.addEventListener("change", play);
  pause.addEventListener("click", () => { if (playing) ask("pause"); else play(); });
  form.elements.publish.addEventListener("click", publish);
  form.elements.follow.addEventListener("click", () => {
    if (path.value) ask("play", { source: `lines:${path.value}` });
    else path.focus();
  });
  const onEnter = (input, act) => input.addEventListener("keydown", (press) => {
    if (press.key === "Enter") { press.preventDefault(); act(); }
  });
  onEnter(typed, publish);
  onEnter(path, () => form.elements.follow.click());
  form.addEventListener("submit", (submitted) => { submitted.preventDefault(); play(); });

  // What somebody is writing right now, is theirs.
  function put(control, value) {
    if (control !== document.activeElement) control.value = value;
  }

  function show(text, why) {
    const known = understood(text);
    playing = text;
    for (const [name, value] of Object.entries(known ?? {})) put(form.elements[name], value);
    pause.textContent = text ? "Pause" : "Play";
    const [short, whole] = said(text);
    Object.assign(document.getElementById("playing"), { textContent: why || short, title: whole });
  }

  return { show };
}
