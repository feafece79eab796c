// A phone that rings and shakes. A browser lets a page ring only after it was touched: a button is that touch.
let sound;

// `ask` holds the button, `on` says that it was pressed; both are shown only while it `matters`. Call the answer to look
// again whether it does.
export function may(ask, on, matters) {
  const offer = () => {
    if (ask) ask.hidden = !!sound || !matters();
    if (on) on.hidden = !sound || !matters();
  };
  ask?.querySelector("button").addEventListener("click", () => {
    sound = new AudioContext();
    tone(0, 660);
    offer();
  });
  offer();
  return offer;
}

export function ring() {
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.([500, 200, 500, 200, 500]);
  if (sound) [0, 0.4, 0.8, 1.8, 2.2, 2.6].forEach((after, turn) => tone(after, turn % 3 === 1 ? 880 : 660));
}

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
