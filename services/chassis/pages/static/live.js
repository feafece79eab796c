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

// What makes an element that very one: its id, and what a press on it does. Secrets and keys of forms are new in every
// answer, and are no difference.
const RENEWED = /name="form_(secret|key)" value="[^"]*"/g;
const SENT = "[type=hidden]:not([name=form_secret], [name=form_key]), button";
const CHOSEN = `${SENT}, [type=radio], [type=checkbox], option`;
function name(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return "";
  const says = ["id", "name", "action", "href"].map((one) => node.getAttribute(one));
  const values = node.matches("form") ? [...node.querySelectorAll(SENT)] : node.matches(CHOSEN) ? [node] : [];
  return [...says, ...values.map((one) => `${one.name}=${one.value}`)].filter(Boolean).join("\n");
}

function take(old, fresh) {
  for (const one of fresh.getAttributeNames()) if (one !== "data-live") old.setAttribute(one, fresh.getAttribute(one));
  if (old.dataset.live) return; // filled from another page: what it is called here stays
  for (const one of old.getAttributeNames()) if (!fresh.hasAttribute(one) && !(one === "open" && old.matches("details"))) old.removeAttribute(one);
}

function drop(from, until) {
  while (from !== until) {
    const gone = from;
    from = from.nextSibling;
    gone.remove();
  }
}

// Makes `old` hold what `fresh` holds. What is the same stays the same element, with what a person did to it: where she is
// on the page, what she typed, ticked and folded out, and the button that is pressed just now.
function hold(old, fresh) {
  const wanted = new Set([...fresh.children].map(name).filter(Boolean));
  for (const one of [...old.children]) if (name(one) && !wanted.has(name(one))) one.remove();
  let at = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    const called = name(next);
    const same = (one) => one.nodeName === next.nodeName && name(one) === called;
    let stays = at;
    while (stays && !same(stays) && !wanted.has(name(stays))) stays = stays.nextSibling;
    if (!stays || !same(stays)) {
      old.insertBefore(next, at);
      continue;
    }
    drop(at, stays);
    at = stays.nextSibling;
    if (stays.nodeType !== Node.ELEMENT_NODE) {
      if (stays.data !== next.data) stays.data = next.data;
    } else if (!stays.matches("form.busy")) { // on its way
      take(stays, next);
      hold(stays, next);
    }
  }
  drop(at, null);
}

function bring(part, fresh) {
  const plain = (node) => node.innerHTML.replace(RENEWED, "").trim();
  if (plain(part) === plain(fresh)) return;
  const at = document.activeElement;
  const place = part.contains(at) && (at.id ? `#${CSS.escape(at.id)}` : at.dataset.key && `[data-key="${at.dataset.key}"]`);
  take(part, fresh);
  hold(part, fresh);
  if (place && !part.contains(document.activeElement)) part.querySelector(place)?.focus();
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
