// A button for what can't be undone: it asks, and only a second press within a few seconds does it.
const PATIENCE = 4000; // ms

export function sure(button, question, act) {
  let timer = 0;
  let usual = null;

  function asks() {
    usual = { text: button.textContent, label: button.getAttribute("aria-label") };
    button.textContent = question;
    button.removeAttribute("aria-label");
    button.classList.add("sure");
    timer = setTimeout(calm, PATIENCE);
  }

  function calm() {
    clearTimeout(timer);
    timer = 0;
    button.textContent = usual.text;
    if (usual.label) button.setAttribute("aria-label", usual.label);
    button.classList.remove("sure");
  }

  button.addEventListener("click", () => {
    if (!timer) { asks(); return; }
    calm();
    act();
  });
}
