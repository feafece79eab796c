// Loaded by every page. A form that is being sent says so and is sent once; a page that has parts marked `data-live` is
// kept true by live.js; presses of forms marked `data-keep` wait for a connection in keep.js; keys named on buttons
// (`data-key`) press them (not under `<html class="keys-off">`); what was refused is brought to the reader's eye.
// The second half of a double press presses nothing on the page that the first half has led to.
// `data-self` is the address of a page that answers a refused press itself: a reload, or a look for news, then asks for it.

const self = document.querySelector("[data-self]")?.dataset.self;
if (self) history.replaceState(null, "", self);

document.addEventListener("submit", (event) => {
  if (event.defaultPrevented) return;
  const form = event.target;
  if (form.classList.contains("busy")) return event.preventDefault();
  form.classList.add("busy");
  setTimeout(() => form.classList.remove("busy"), 8000);
});
// Back by the browser's memory: nothing is being sent any more.
window.addEventListener("pageshow", () => document.querySelectorAll("form.busy").forEach((form) => form.classList.remove("busy")));

let pressedHere = false;
window.addEventListener("pageshow", (event) => event.persisted && (pressedHere = false));
document.addEventListener("click", (event) => {
  if (event.detail > 1 && !pressedHere) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
  pressedHere = true;
}, { capture: true });

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.isComposing) return;
  if (document.documentElement.classList.contains("keys-off")) return;
  if (event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]")) return;
  const key = event.key.length === 1 ? event.key.toUpperCase() : event.key;
  const button = [...document.querySelectorAll("[data-key]")].find((one) => one.dataset.key.toUpperCase() === key.toUpperCase());
  if (!button || button.disabled || button.closest("[hidden]")) return;
  event.preventDefault();
  button.click();
});

document.getElementById("refused")?.focus();

if (document.querySelector("[data-live]")) import("./live.js").then(({ keep }) => keep());
