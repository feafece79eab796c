// What is heard on the board: a chime, then the call in Vietnamese, by a voice of this browser or as a sound of the server.
//
// A browser lets a page sound only after it was touched, unless it was started with
// --autoplay-policy=no-user-gesture-required; until then everything here is silent and in time.

import { tone } from "../chassis/ring.js";

const sound = new AudioContext();
const CHIME = [[0, 784], [0.35, 587]]; // seconds, hertz
const CHIME_MS = 1300;
const PATIENCE_MS = 4000;

export const heard = () => sound.state === "running";

/** `changed` is called when the page may sound, or may no more. */
export function whenHeard(changed) {
  sound.addEventListener("statechange", changed);
  for (const touch of ["pointerdown", "keydown"]) document.addEventListener(touch, () => heard() || sound.resume());
  changed();
}

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const vietnamese = () => window.speechSynthesis?.getVoices().find((one) => /^vi\b/i.test(one.lang));

function spoken(words, voice) {
  return new Promise((done) => {
    const said = new SpeechSynthesisUtterance(words);
    said.voice = voice;
    said.lang = "vi-VN";
    said.rate = 0.9;
    said.onend = said.onerror = done;
    speechSynthesis.speak(said);
  });
}

async function played(address) {
  const answer = await fetch(address, { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!answer.ok) return;
  const source = sound.createBufferSource();
  source.buffer = await sound.decodeAudioData(await answer.arrayBuffer());
  source.connect(sound.destination);
  await new Promise((done) => {
    source.onended = done;
    source.start();
  });
}

/** Resolved when it was said. `address`: where the server has it as a sound; empty, or without answer: the chime alone. */
export async function say(words, address) {
  if (!heard()) return;
  for (const [after, pitch] of CHIME) tone(sound, after, pitch, 0.6, 0.9);
  await pause(CHIME_MS);
  const voice = vietnamese();
  try {
    if (voice) await spoken(words, voice);
    else if (address) await played(address);
  } catch {
    // The chime was heard, and the number is there to be read.
  }
}
