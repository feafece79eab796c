// A press on a form marked `data-keep` is kept on this device until the system has answered it, and sent once: again and
// again with the same key of its form, in the order in which they were pressed. What is kept are the form's own fields;
// mark no form that asks for something personal.
//
//   <form data-keep="picked up" data-then="/volunteer">  what its press is called while it waits; where one goes then
//   <div data-after="/rides/1/pick-up" hidden>           shown while a press on the form of that action waits
//
// `#kept` (the macro `kept`) tells what waits, what was sent after waiting, and what was refused, with its sentence.

const PATIENCE_MS = 10_000;
const SILENT_MS = 1500; // an answer that comes sooner is no news
const AGAIN_MS = [1500, 3000, 5000];
const TOO_OLD_MS = 2 * 3600 * 1000;
const kept = document.getElementById("kept");
const told = (what) => kept.querySelector(`[data-kept="${what}"]`);

// -- what is kept -------------------------------------------------------------------------------------------------------

const promised = (asked) => new Promise((done, failed) => {
  asked.onsuccess = () => done(asked.result);
  asked.onerror = () => failed(asked.error);
});
const opening = indexedDB.open("caunoi", 1);
opening.onupgradeneeded = () => opening.result.createObjectStore("presses", { keyPath: "id", autoIncrement: true });
let store;
const ready = promised(opening).then((opened) => Boolean(store = opened), () => false); // without it forms are sent as ever
const presses = (mode = "readwrite") => store.transaction("presses", mode).objectStore("presses");
const all = () => promised(presses("readonly").getAll());

// -- telling --------------------------------------------------------------------------------------------------------------

const sent = [];
function line(press, sentence = "") {
  const item = document.createElement("li");
  const when = new Date(press.at).toLocaleTimeString("vi-VN", { hour: "2-digit", minute: "2-digit", timeZone: "Asia/Ho_Chi_Minh" });
  const name = document.createElement("b");
  name.textContent = press.name;
  item.append(name, ` · ${when}${sentence && ": "}${sentence}`);
  return item;
}

function fill(what, lines) {
  const part = told(what);
  part.hidden = !lines.length;
  part.querySelector("ol").replaceChildren(...lines);
}

async function show() {
  const now = await all();
  const waiting = now.filter((press) => !press.refused);
  fill("waiting", waiting.filter((press) => press.failed || Date.now() - press.at > SILENT_MS).map((press) => line(press)));
  fill("refused", now.filter((press) => press.refused).map((press) => line(press, press.refused)));
  fill("sent", sent.map((press) => line(press)));
  const actions = new Set(waiting.map((press) => press.action));
  for (const form of document.querySelectorAll("form[data-keep]")) form.classList.toggle("busy", actions.has(form.getAttribute("action")));
  for (const part of document.querySelectorAll("[data-after]")) part.hidden = !actions.has(part.dataset.after);
}

told("refused").querySelector("button").addEventListener("click", async () => {
  for (const press of await all()) if (press.refused) await promised(presses().delete(press.id));
  show();
});

// -- sending ----------------------------------------------------------------------------------------------------------------

let mine = null; // the last press on this very page
let asEver = false; // nothing can be kept, or the page is being left
let timer;
let failures = 0;

async function deliver() {
  for (const press of (await all()).filter((one) => !one.refused)) {
    if (Date.now() - press.at > TOO_OLD_MS) {
      await refuse(press, told("old").content.textContent);
      continue;
    }
    let answer;
    try {
      answer = await fetch(press.action, {
        method: "POST",
        headers: { "Content-Type": "application/x-www-form-urlencoded", Accept: "text/html" },
        body: press.body,
        redirect: "manual", // a form of ours that was carried out leads on to another page
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
    } catch {
      return later(press);
    }
    told("sign-in").hidden = answer.status !== 401;
    if (answer.status >= 500 || answer.status === 429 || answer.status === 401) return later(press);
    failures = 0;
    if (answer.type === "opaqueredirect") {
      await promised(presses().delete(press.id));
      if (press.id === mine) {
        asEver = true;
        return location.assign(press.then || location.pathname);
      }
      sent.push(press);
    } else {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      await refuse(press, page.querySelector("#refused p, #detail")?.textContent ?? `${answer.status}`);
    }
    import("./live.js").then(({ refresh }) => refresh());
  }
}

const refuse = (press, sentence) => promised(presses().put({ ...press, refused: sentence }));

async function later(press) {
  await promised(presses().put({ ...press, failed: true }));
  if (!press.failed) {
    await show();
    kept.scrollIntoView({ block: "center" });
  }
  timer = setTimeout(send, AGAIN_MS[Math.min(failures, AGAIN_MS.length - 1)]);
  failures += 1;
}

// One page of this browser sends at a time; where that cannot be had, the key of each form still makes it one command.
let sending = null;
function send() {
  clearTimeout(timer);
  sending ??= (navigator.locks?.request("caunoi-presses", deliver) ?? deliver()).finally(() => {
    sending = null;
    show();
  });
  return sending;
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("[data-keep]") || event.defaultPrevented || asEver) return;
  event.preventDefault();
  if (form.classList.contains("busy")) return;
  form.classList.add("busy");
  if (!(await ready)) {
    asEver = true;
    form.classList.remove("busy");
    return form.requestSubmit(event.submitter);
  }
  const fields = new URLSearchParams(new FormData(form));
  const button = event.submitter;
  if (button?.name) fields.append(button.name, button.value);
  const press = { action: form.getAttribute("action"), body: `${fields}`, name: form.dataset.keep, then: form.dataset.then, at: Date.now() };
  mine = await promised(presses().add(press));
  setTimeout(show, SILENT_MS);
  if (sending) await sending;
  send();
}, { capture: true });

ready.then((yes) => {
  if (!yes) return;
  for (const moment of ["online", "pageshow", "focus"]) window.addEventListener(moment, send);
  window.addEventListener("pageshow", () => (asEver = false)); // back by the browser's memory
  document.addEventListener("live:changed", show);
  show();
  send();
});
