// The ticket: the pass out of the address and into the page, and a ring when the number is called.
function take() {
  const pass = location.hash.slice(1);
  const form = document.getElementById("open");
  if (!pass.includes(".") || !form) return;
  history.replaceState(null, "", location.pathname);
  form.elements.pass.value = pass;
  form.requestSubmit();
}
window.addEventListener("hashchange", take);
take();

const ticket = document.getElementById("ticket");
if (ticket) {
  const named = document.title;
  let calls = ticket.dataset.state === "called" ? 0 : Number(ticket.dataset.calls);
  let sound;

  // A browser lets a page ring only after it was touched: the button is that touch.
  const ask = document.getElementById("sound");
  const waits = () => ["waiting", "held", "no_show"].includes(ticket.dataset.state);
  const offer = () => {
    ask.hidden = !!sound || !waits();
    document.getElementById("sound-on").hidden = !sound || !waits();
  };
  ask.querySelector("button").addEventListener("click", () => {
    sound = new AudioContext();
    tone(0, 660);
    offer();
  });

  function tone(after, pitch) {
    const voice = sound.createOscillator();
    const loud = sound.createGain();
    const at = sound.currentTime + after;
    voice.frequency.value = pitch;
    loud.gain.setValueAtTime(0.0001, at);
    loud.gain.exponentialRampToValueAtTime(0.5, at + 0.02);
    loud.gain.exponentialRampToValueAtTime(0.0001, at + 0.6);
    voice.connect(loud).connect(sound.destination);
    voice.start(at);
    voice.stop(at + 0.6);
  }

  function look() {
    const called = ticket.dataset.state === "called";
    document.title = called ? `▶ ${ticket.querySelector("h1").textContent.trim().replace(/\s+/g, " ")}` : named;
    if (called && Number(ticket.dataset.calls) > calls) {
      calls = Number(ticket.dataset.calls);
      if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.([500, 200, 500, 200, 500]);
      if (sound) [0, 0.4, 0.8, 1.8, 2.2, 2.6].forEach((after, turn) => tone(after, turn % 3 === 1 ? 880 : 660));
      scrollTo({ top: 0 });
    }
    offer();
  }
  ticket.addEventListener("live:changed", look);
  look();
}
