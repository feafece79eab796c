// Keeps parts of a page as the server would render them now. The server alone renders: nothing is drawn here.
//
//   <section id="line" data-live>                     this page, fetched again, has the newest content of #line
//   <section id="ride" data-live="/volunteers/ticket"> that page (another service's, perhaps) has it
//   <main data-feed="/notify/feed?..." data-topics="queue-called,...">   look at once when one of these happens
//   <main data-every="5">                             look every so many seconds (10 when it does not say)
//
// After a part changed it is sent the event `live:changed`. When nothing was heard for 15 s, #lost says since when.

const PATIENCE_MS = 5000;
const LOST_AFTER_MS = 12000;
// While it is lost we ask often and do not wait long: the truth is back within five seconds of the connection.
const PATIENCE_WHEN_LOST_MS = 2500;
const AGAIN_MS = 1500;

const settings = document.querySelector("[data-every], [data-feed]")?.dataset ?? {};
const everyMs = Number(settings.every ?? 10) * 1000;
let heard = Date.now();
let lostSince = null;

function parts() {
  const bySource = new Map();
  for (const part of document.querySelectorAll("[data-live][id]")) {
    const source = part.dataset.live || location.pathname + location.search;
    bySource.set(source, [...(bySource.get(source) ?? []), part]);
  }
  return bySource;
}

// True when somebody is in the middle of filling this part in.
function inUse(part) {
  const at = document.activeElement;
  return part.contains(at) && at.matches("input:not([type=hidden], [type=submit]), textarea, select");
}

// What lies under a finger stays until that is lifted: a press that ends on another button than it began on is none.
const LIFTED_WITHIN_MS = 3000;
let pressed = null;
let keptBack = false;
let lifting;
function lift() {
  clearTimeout(lifting);
  pressed = null;
  if (keptBack) refresh();
  keptBack = false;
}
document.addEventListener("pointerdown", (event) => {
  clearTimeout(lifting);
  pressed = event.target;
  lifting = setTimeout(lift, LIFTED_WITHIN_MS);
}, { capture: true });
for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => setTimeout(lift), { capture: true }); // after the click

function bring(part, fresh) {
  // Secrets and keys of forms are new in every answer: they are no change.
  const plain = (node) => node.innerHTML.replace(/name="form_(secret|key)" value="[^"]*"/g, "").trim();
  if (plain(part) === plain(fresh) || inUse(part)) return;
  if (pressed && part.contains(pressed)) {
    keptBack = true;
    return;
  }
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const place = focused && (focused.id ? `#${CSS.escape(focused.id)}` : focused.dataset.key && `[data-key="${focused.dataset.key}"]`);
  const open = [...part.querySelectorAll("details[open][id]")].map((one) => one.id);
  for (const name of fresh.getAttributeNames()) if (name !== "data-live") part.setAttribute(name, fresh.getAttribute(name));
  part.replaceChildren(...fresh.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (place) part.querySelector(place)?.focus();
  part.dispatchEvent(new CustomEvent("live:changed", { bubbles: true }));
}

async function look(source, targets) {
  const answer = await fetch(source, { headers: { Accept: "text/html" }, cache: "no-store", signal: AbortSignal.timeout(lostSince ? PATIENCE_WHEN_LOST_MS : PATIENCE_MS) });
  if (answer.status >= 500) throw new Error(answer.statusText);
  if (answer.redirected || !answer.ok) {
    // The session ended, or what was looked at is gone: this page itself would say so; another service's part stays empty.
    if (targets.some((part) => !part.dataset.live)) location.reload();
    return;
  }
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of targets) {
    const found = fresh.getElementById(part.id);
    if (found) bring(part, found);
  }
}

let running = null;
let again = false;
export function refresh() {
  if (running) {
    again = true;
    return running;
  }
  running = Promise.all([...parts()].map(([source, targets]) => look(source, targets)))
    .then(() => found(true), () => found(false))
    .finally(() => {
      running = null;
      if (again) {
        again = false;
        refresh();
      }
    });
  return running;
}

function found(yes) {
  const banner = document.getElementById("lost");
  if (yes) {
    heard = Date.now();
    lostSince = null;
    banner.hidden = true;
  } else if (Date.now() - heard > LOST_AFTER_MS || !navigator.onLine) {
    lostSince ??= new Date(heard);
    const when = banner.querySelector("time");
    when.dateTime = lostSince.toISOString();
    when.textContent = lostSince.toLocaleTimeString("vi-VN", { hour: "2-digit", minute: "2-digit", timeZone: "Asia/Ho_Chi_Minh" });
    banner.hidden = false;
  }
  document.documentElement.classList.toggle("is-lost", !banner.hidden);
  clearTimeout(timer);
  timer = setTimeout(refresh, yes ? everyMs : AGAIN_MS);
}
let timer;

function follow(address, topics) {
  const feed = new EventSource(address);
  let soon;
  const poke = () => {
    clearTimeout(soon);
    soon = setTimeout(refresh, 50);
  };
  feed.onopen = poke;
  for (const topic of [...topics, "reset"]) feed.addEventListener(topic, poke);
  feed.onerror = () => {
    poke();
    // A refusal closes it for good; anything else the browser tries again by itself.
    if (feed.readyState === EventSource.CLOSED) setTimeout(() => follow(address, topics), 5000);
  };
}

export function keep() {
  if (settings.feed) follow(settings.feed, (settings.topics ?? "").split(",").filter(Boolean));
  for (const moment of ["online", "offline", "pageshow", "focus"]) window.addEventListener(moment, () => refresh());
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  refresh();
}
