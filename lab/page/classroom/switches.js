// Large type for projectors, and light or dark against what the system says. Both are kept for this browser.
const root = document.documentElement;

// → nothing; changed() is called when anything may look different.
export function switches({ large, theme }, changed = () => {}) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

  function keep(name, value) {
    if (value) root.dataset[name] = value;
    else delete root.dataset[name];
    localStorage.setItem(name, value);
    show();
    changed();
  }

  function show() {
    large.setAttribute("aria-pressed", String(root.dataset.type === "large"));
    theme.textContent = dark() ? "Light" : "Dark";
  }

  for (const name of ["type", "theme"]) {
    const kept = localStorage.getItem(name);
    if (kept) root.dataset[name] = kept;
  }
  large.addEventListener("click", () => keep("type", root.dataset.type === "large" ? "" : "large"));
  theme.addEventListener("click", () => keep("theme", dark() ? "light" : "dark"));
  system.addEventListener("change", () => { show(); changed(); });
  show();
}
