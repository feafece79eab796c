// A volunteer's phone: the time that an offer leaves is counted down, and a new one shakes the phone and rings.
import { may, ring } from "../chassis/ring.js";

// Seconds left were told by the server: the phone's own clock may be wrong.
const heard = new WeakMap();
function count() {
  for (const one of document.querySelectorAll("[data-left]")) {
    const told = one.dataset.left;
    if (heard.get(one)?.told !== told) heard.set(one, { told, at: performance.now() });
    const left = Math.ceil(told - (performance.now() - heard.get(one).at) / 1000);
    const [until, counting, over] = ["until", "counting", "over"].map((name) => one.querySelector(`.${name}`));
    until.hidden = true;
    counting.hidden = left <= 0;
    over.hidden = left > 0;
    counting.querySelector("b").textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  }
}

const offered = () => [...document.querySelectorAll(".offer")].map((one) => one.id);
let known = new Set(offered());
function news() {
  count();
  const now = offered();
  if (now.some((one) => !known.has(one))) ring();
  known = new Set(now);
}

// A job of which the page of it says more than how it stands: that page comes anew when this has changed.
document.addEventListener("live:changed", (event) => {
  if (event.target.id === "state") location.reload();
  news();
});
setInterval(count, 1000);
count();

may(document.getElementById("sound"), document.getElementById("sound-on"), () => true);
