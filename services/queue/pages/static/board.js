// The board: each new call has the big place for itself, for six seconds at least and until it was spoken. What was called
// stands in #last, which chassis/live.js keeps; nothing is ever added to the page, texts change.
import { heard, pause, say, whenHeard } from "./voice.js";

const SHOWN_MS = 6000;
const SPOKEN_MS = 15000; // longer than that nobody listens: a voice that hangs does not hold up the hall
const FRESH_SECONDS = 60; // after a lost connection only these are called out; the others stand in the list
const WAITING = 8;
const KNOWN = 64;
const TURN_MS = 8000;

const last = document.getElementById("last");
const panel = document.getElementById("calling");
const at = (name) => panel.querySelector(name);

const known = new Set();
const waiting = [];
let showing = false;

function know(call) {
  known.add(call);
  if (known.size > KNOWN) known.delete(known.values().next().value);
}

function show({ call, code, counter }) {
  panel.dataset.call = call;
  at(".board-one").hidden = false;
  at(".board-none").hidden = true;
  at(".board-code").textContent = code;
  at(".board-code").dataset.length = code.length;
  at(".board-to b").textContent = counter;
}

const onTheWay = () => [...last.querySelectorAll(".way")].map((one) => one.dataset);

// While nothing is called out the big place has the newest number that is still on its way, or the last one, marked so.
function rest() {
  const calls = onTheWay();
  if (calls.length && !calls.some(({ call }) => call === panel.dataset.call)) show(calls[0]);
  panel.classList.toggle("over", !calls.length);
}

async function callOut() {
  if (showing) return;
  showing = true;
  while (waiting.length) {
    const next = waiting.shift();
    show(next);
    panel.classList.remove("over", "new");
    void panel.offsetWidth; // so that the animation begins again
    panel.classList.add("new");
    const address = panel.dataset.voice && `/board/voice/${next.code}/${next.counter}`;
    await Promise.all([pause(SHOWN_MS), Promise.race([say(next.says, address), pause(SPOKEN_MS)])]);
  }
  showing = false;
  rest();
}

function look() {
  const fresh = [...last.querySelectorAll("[data-call]")].map((one) => ({ ...one.dataset })).filter(({ call }) => !known.has(call));
  for (const { call } of fresh) know(call);
  waiting.push(...fresh.filter((one) => last.dataset.now - one.at <= FRESH_SECONDS).reverse());
  waiting.splice(0, waiting.length - WAITING);
  if (showing) return;
  if (waiting.length) callOut();
  else rest();
}

for (const one of last.querySelectorAll("[data-call]")) know(one.dataset.call);
const first = last.querySelector("[data-call]");
if (first) show(first.dataset);
rest();
last.addEventListener("live:changed", look);

const ask = document.getElementById("sound");
whenHeard(() => (ask.hidden = heard()));

// More services than there is room for: a page of them at a time.
const waits = document.getElementById("waits");
setInterval(() => {
  const end = waits.scrollTop + waits.clientHeight >= waits.scrollHeight - 1;
  waits.scrollTop = end ? 0 : waits.scrollTop + waits.clientHeight;
}, TURN_MS);
