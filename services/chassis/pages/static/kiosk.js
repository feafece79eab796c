// The kiosk: presses only while the system answers, back to the start when nobody is there, the keypad, the printer.
const PATIENCE_MS = 3000;
const WARNED_SECONDS = 15;
const idle = document.getElementById("idle");
const countdown = document.getElementById("countdown");
const lost = document.getElementById("lost");

// -- a press that cannot be answered must not end on the browser's own error page --------------------------------------

// The smallest thing that is there for everybody; a gateway need not pass on health checks.
const small = document.querySelector("link[rel=icon]").href;
async function answers() {
  try {
    return (await fetch(small, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) })).ok;
  } catch {
    return false;
  }
}

function say(since) {
  const when = lost.querySelector("time");
  when.dateTime = since.toISOString();
  when.textContent = since.toLocaleTimeString("vi-VN", { hour: "2-digit", minute: "2-digit", timeZone: "Asia/Ho_Chi_Minh" });
  lost.hidden = false;
  document.documentElement.classList.add("is-lost");
}

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented) return;
  event.preventDefault();
  if (await answers()) location.assign(link.href);
  else say(new Date());
});

const asked = new WeakSet();
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (event.defaultPrevented || asked.has(form)) return;
  event.preventDefault();
  asked.add(form);
  if (await answers()) form.requestSubmit(event.submitter);
  else say(new Date());
  asked.delete(form);
}, { capture: true });

// -- nobody there -------------------------------------------------------------------------------------------------------

const seconds = Number(idle.dataset.seconds);
let left = seconds;
function touched() {
  left = seconds;
  if (idle.open) idle.close();
  show();
}

function show() {
  if (countdown) {
    countdown.hidden = false;
    countdown.querySelector(".seconds").textContent = left;
  } else if (left <= WARNED_SECONDS) {
    idle.querySelector(".seconds").textContent = left;
    if (!idle.open) idle.showModal();
  }
}

if (seconds) {
  for (const touch of ["pointerdown", "keydown", "input", "scroll"]) document.addEventListener(touch, touched, { passive: true });
  setInterval(async () => {
    left -= 1;
    if (left > 0) return show();
    left = 5; // asked again in a moment when the system does not answer
    if (await answers()) location.replace("/kiosk/done");
  }, 1000);
  show();
}

// -- printing -------------------------------------------------------------------------------------------------------------

document.getElementById("print")?.addEventListener("click", () => window.print());

// -- the phone number -------------------------------------------------------------------------------------------------------

const phone = document.getElementById("phone");
if (phone) {
  const form = document.getElementById("phone-form");
  const refused = document.getElementById("phone-refused");

  const keypad = document.querySelector(".keypad");
  keypad.addEventListener("click", (event) => {
    const digit = event.target.closest("[data-digit]")?.dataset.digit;
    if (digit === "clear") phone.value = "";
    else if (digit === "back") phone.value = phone.value.slice(0, -1);
    else if (digit && phone.value.length < 15) phone.value += digit;
  });
  keypad.inert = false; // until now nobody would have heard

  const refuse = (text, otherwise = false) => {
    refused.hidden = false;
    refused.querySelector("p").textContent = text;
    refused.querySelector("[data-otherwise]").hidden = !otherwise;
    refused.scrollIntoView({ block: "center" });
  };

  const words = (id) => document.getElementById(id).textContent;
  // Before every other listener: what is kept here is sent to the vault and to nobody else.
  window.addEventListener("submit", async (event) => {
    if (event.target !== form || event.submitter?.dataset.without !== undefined || form.elements.contact_ref.value) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const purposes = [...form.querySelectorAll("[data-purpose]:checked")].map((one) => one.dataset.purpose);
    if (phone.value.length < 9) return refuse(words("phone-missing"));
    if (!purposes.length) return refuse(words("phone-consent"));
    try {
      const answer = await fetch("/notify/contacts", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ phone: phone.value, purposes, centre: phone.dataset.centre, language: phone.dataset.language }),
        signal: AbortSignal.timeout(2 * PATIENCE_MS),
      });
      const said = await answer.json();
      if (!answer.ok) return refuse(said.detail, answer.status >= 500);
      form.elements.contact_ref.value = said.contact_ref;
      phone.value = "";
      form.requestSubmit(event.submitter);
    } catch {
      refuse(words("phone-away"), true);
    }
  }, { capture: true });
}
