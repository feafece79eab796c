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
    tone(sound, 0, 660);
    offer();
  });
  offer();
  return offer;
}

export function ring() {
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.([500, 200, 500, 200, 500]);
  if (sound) [0, 0.4, 0.8, 1.8, 2.2, 2.6].forEach((after, turn) => tone(sound, after, turn % 3 === 1 ? 880 : 660));
}

/** A short tone: `after` so many seconds, of `pitch` hertz, `loud` up to 1, heard for so many `seconds`. */
export function tone(context, after, pitch, loud = 0.5, seconds = 0.6) {
  const voice = context.createOscillator();
  const volume = context.createGain();
  const at = context.currentTime + after;
  voice.frequency.value = pitch;
  volume.gain.setValueAtTime(0.0001, at);
  volume.gain.exponentialRampToValueAtTime(loud, at + seconds / 30);
  volume.gain.exponentialRampToValueAtTime(0.0001, at + seconds);
  voice.connect(volume).connect(context.destination);
  voice.start(at);
  voice.stop(at + seconds);
}
