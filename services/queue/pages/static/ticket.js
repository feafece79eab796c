// The ticket: a ring when the number is called.
import { may, ring } from "../chassis/ring.js";

// The page may have come as the answer to its own form (`open_ticket`): from now on it is asked for like any other.
history.replaceState(null, "", location.href);

const ticket = document.getElementById("ticket");
const named = document.title;
let calls = ticket.dataset.state === "called" ? 0 : Number(ticket.dataset.calls);

const waits = () => ["waiting", "held", "no_show"].includes(ticket.dataset.state);
const offer = may(document.getElementById("sound"), document.getElementById("sound-on"), waits);

function look() {
  const called = ticket.dataset.state === "called";
  document.title = called ? `▶ ${ticket.querySelector("h1").textContent.trim().replace(/\s+/g, " ")}` : named;
  if (called && Number(ticket.dataset.calls) > calls) {
    calls = Number(ticket.dataset.calls);
    ring();
    scrollTo({ top: 0 });
  }
  offer();
}
ticket.addEventListener("live:changed", look);
look();
