// The events of the live page, as they come. The board beside them is kept by chassis/live.js, looked at after each.
import { refresh } from "../chassis/live.js";

const SHOWN = 60;
const RENEW_MS = 20 * 60 * 1000;
const { feed: address } = document.getElementById("live").dataset;
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

// A visitor of a demo looks on with a session of half an hour that this page itself renews.
const renew = () => fetch("/", { cache: "no-store" }).catch(() => {});
setInterval(renew, RENEW_MS);

function follow() {
  const feed = new EventSource(address);
  // A refusal (the session ended) closes it for good; anything else the browser tries again by itself.
  feed.onerror = () => feed.readyState === EventSource.CLOSED && setTimeout(() => renew().then(follow), 3000);
  for (const topic of Object.keys(says)) {
    feed.addEventListener(topic, (message) => {
      show(topic, JSON.parse(message.data));
      refresh();
    });
  }
  feed.addEventListener("reset", refresh);
}

follow();
