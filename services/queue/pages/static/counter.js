// The counter: when another tab, or somebody else, brings another number to it, what volunteers know is asked for anew; and
// the keys that press buttons can be turned off (some people's hands, and some people's software, press keys by mistake).
import { refresh } from "../chassis/live.js";

const now = document.getElementById("now");
const helper = document.getElementById("helper");
const counter = location.pathname;
let ticket = now.dataset.ticket;

now.addEventListener("live:changed", () => {
  if (now.dataset.ticket === ticket) return;
  ticket = now.dataset.ticket;
  helper.replaceChildren();
  if (ticket) helper.dataset.live = `/volunteers${counter}/${ticket}`;
  else delete helper.dataset.live;
  refresh();
});

const OFF = "caunoi-keys-off";
const keys = document.getElementById("keys");
const wanted = keys.querySelector("input");
wanted.checked = !localStorage.getItem(OFF);
keys.hidden = false;
const turn = () => document.documentElement.classList.toggle("keys-off", !wanted.checked);
wanted.addEventListener("change", () => {
  if (wanted.checked) localStorage.removeItem(OFF);
  else localStorage.setItem(OFF, "1");
  turn();
});
turn();
