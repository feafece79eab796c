// The live page: events as they come, and the board read again after each of those that change it.
const SHOWN = 60;
const RENEW_MS = 20 * 60 * 1000;
const SILENT_MS = 12 * 1000;
const { centre, feed: address } = document.body.dataset;
const { says, follows, words } = JSON.parse(document.getElementById("words").textContent);
const at = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat("vi-VN", { timeStyle: "medium", timeZone: "Asia/Ho_Chi_Minh" });

// A ticket is said by its code once it was heard of; any other reference by its end.
const codes = new Map();
function noteCode(event) {
  if (event.ticket_id && event.code) codes.set(event.ticket_id, event.code);
  if (codes.size > 1000) codes.delete(codes.keys().next().value);
}

function say(name, value) {
  if (typeof value !== "string") return value;
  const short = /^\d{5}-[0-9a-z-]{8,}$/.test(value) ? `…${value.slice(-4)}` : value;
  return words[name]?.[value] ?? codes.get(value) ?? short;
}

function sentence(topic, event) {
  const main = (says[topic] ?? topic).replace(/\{(\w+)\}/g, (_, name) => say(name, event[name] ?? "?"));
  const more = Object.entries(follows[topic] ?? {}).filter(([name]) => event[name]);
  return main + more.map(([, text]) => text).join("");
}

function show(topic, message) {
  const item = document.createElement("li");
  const when = document.createElement("time");
  const moment = new Date(message.time ?? Date.now());
  when.dateTime = moment.toISOString();
  when.textContent = clock.format(moment);
  const text = document.createElement("span");
  noteCode(message.data);
  text.textContent = sentence(topic, message.data);
  item.append(when, text);
  at("events").prepend(item);
  while (at("events").childElementCount > SHOWN) at("events").lastElementChild.remove();
  at("events-empty").hidden = true;
}

function fill(list, entries, make) {
  const items = entries.map(make);
  at(list).replaceChildren(...items);
  at(`${list}-empty`).hidden = items.length > 0;
}

function atCounter(call) {
  const item = document.createElement("li");
  const code = document.createElement("b");
  code.textContent = call.code;
  const counter = document.createElement("span");
  counter.textContent = `Quầy ${call.counter}`;
  item.append(code, counter);
  return item;
}

let asked = 0;
async function readBoard() {
  const turn = ++asked;
  const answer = await fetch(`/queue/centres/${centre}/board`, { signal: AbortSignal.timeout(5000) });
  if (answer.status === 401) return renew();
  if (!answer.ok || turn !== asked) return;
  const board = await answer.json();
  fill("called", board.called, atCounter);
  fill("past", board.last_calls, atCounter);
  fill("waiting", board.waiting, (code) => {
    const item = document.createElement("li");
    item.textContent = code;
    return item;
  });
  at("waiting-count").textContent = board.waiting.length;
}

let soon;
function readBoardSoon() {
  clearTimeout(soon);
  soon = setTimeout(() => readBoard().catch(() => lost(true)), 60);
}

let lostSince = null;
function lost(yes) {
  if (yes && lostSince === null) {
    lostSince = new Date();
    const when = at("lost").querySelector("time");
    when.dateTime = lostSince.toISOString();
    when.textContent = clock.format(lostSince);
    at("lost").hidden = false;
  } else if (!yes) {
    lostSince = null;
    at("lost").hidden = true;
  }
}

// A visitor of a demo looks on with a session of half an hour that this page itself renews.
async function renew() {
  await fetch("/", { cache: "no-store" }).catch(() => lost(true));
}
setInterval(renew, RENEW_MS);

let heard = Date.now();
let feed;
function follow() {
  feed?.close();
  feed = new EventSource(address);
  feed.onopen = () => {
    heard = Date.now();
    lost(false);
    readBoardSoon();
  };
  feed.onerror = () => {
    lost(true);
    // A refusal (the session ended) closes it for good; anything else the browser tries again by itself.
    if (feed.readyState === EventSource.CLOSED) setTimeout(() => renew().then(follow), 3000);
  };
  for (const topic of Object.keys(says)) {
    feed.addEventListener(topic, (message) => {
      heard = Date.now();
      show(topic, JSON.parse(message.data));
      readBoardSoon();
    });
  }
  feed.addEventListener("reset", readBoardSoon);
}

// A line that is cut without a word is found by reading the board, which answers or does not.
setInterval(() => {
  if (Date.now() - heard > SILENT_MS) {
    readBoard().then(
      () => {
        heard = Date.now();
        lost(feed.readyState !== EventSource.OPEN);
      },
      () => lost(true),
    );
  }
}, 4 * 1000);

follow();
