// @ts-check
// Decides who has the floor, in the audio thread: both voices pass here, and no busy page or kernel can hold it up. A
// sound from the person pauses the answer at once. Only the server can drop the answer; otherwise it goes on.

/** @typedef {{ held: boolean, playing: boolean, hold(): void, resume(): void }} Queue plays the answer */

const QUIETEST = 0.01; // -40 dB of full scale: speech into a microphone is louder.
const LEAST_NOISE = 0.0001;
const NOISE_MARGIN = 4; // 12 dB
const NOISE_RISE = 1.014; // Per frame; 6 dB a second, so that a fan that starts counts as noise after a few seconds.
const ONSET_FRAMES = 4; // 80 ms: longer than a key or a click, shorter than a syllable with its vowel.
// The share of the answer that comes back into the microphone: at least, at most, and how much of the estimate is left
// after a frame in which nothing came back. With echo cancellation it is next to nothing.
const LEAST_COUPLING = 0.03;
const MOST_COUPLING = 4;
const FORGET = 0.9997; // Half in 46 s.
const ECHO_MARGIN = 2; // 6 dB
const ECHO_FRAMES = 20; // 400 ms: the delay of the devices and the room.
const LEARN_S = 0.4; // A sound this soon after an answer begins counts as its echo.
const FORGOTTEN_S = 1; // After this much silence, an answer counts as a new one.
const VANISH_FRAMES = 8; // 160 ms: a sound that ends this soon after the answer was its echo.
/** How long the answer waits after the last sound for the server to confirm that it was speech. */
export const QUIET_S = 0.4;
/** How long it waits at most, however long the sound. */
export const LONGEST_S = 4;
const TAIL_S = 0.25; // How long half duplex goes on after the answer, for sound that is still in the air.

/** Tells a person's sounds from noise and from the answer's echo, 20 ms at a time. */
export class OnsetDetector {
  constructor() {
    this.noise = 1; // Falls to the level of the first sound.
    this.coupling = LEAST_COUPLING;
    this.run = 0;
    this.loudest = 0; // Relative to the playback, within the run.
  }

  /**
   * @param {number} level of the microphone, root mean square
   * @param {number} played the loudest playback that may be coming back now
   * @param {boolean} learning whether the sound can only be echo
   * @returns {boolean} whether it is louder than noise and echo
   */
  push(level, played, learning) {
    // Digital silence is a muted microphone, not a quiet room.
    if (level > LEAST_NOISE) this.noise = Math.min(level, this.noise * NOISE_RISE);
    const ratio = played > QUIETEST && level > NOISE_MARGIN * this.noise ? level / played : 0;
    const explained = ratio <= ECHO_MARGIN * this.coupling;
    if (ratio && (learning || explained)) this.couple(ratio);
    const threshold = Math.max(QUIETEST, NOISE_MARGIN * this.noise, ECHO_MARGIN * this.coupling * played);
    const loud = level > threshold;
    if (!this.run) this.loudest = 0;
    this.run = Math.max(0, Math.min(ONSET_FRAMES, this.run + (loud ? 1 : -1)));
    if (loud) this.loudest = Math.max(this.loudest, ratio);
    return loud;
  }

  /** @param {number} ratio of the echo to what was played */
  couple(ratio) {
    this.coupling = Math.min(MOST_COUPLING, Math.max(LEAST_COUPLING, this.coupling * FORGET, ratio));
  }

  get onset() {
    return this.run === ONSET_FRAMES;
  }
}

/** Pauses the answer for a person who speaks into it, or keeps the microphone silent while the answer sounds. */
export class Floor {
  /** @param {number} sampleRate */
  constructor(sampleRate) {
    this.sampleRate = sampleRate;
    this.yields = false;
    this.halfDuplex = false;
    /** @type {Queue | null} */
    this.queue = null;
    this.detector = new OnsetDetector();
    this.armed = true;
    this.played = new Float32Array(ECHO_FRAMES);
    this.energy = this.samples = 0;
    this.sounding = 0;
    this.silent = Infinity;
    this.heldFor = this.quietFor = this.loudFor = 0;
  }

  /** Note what goes to the loudspeaker. @param {Float32Array} out @param {number} n samples of an answer in it */
  rendered(out, n) {
    for (const s of out) this.energy += s * s;
    this.samples += out.length;
    this.silent = n ? 0 : this.silent + out.length;
    if (n) this.sounding += n;
    else if (this.silent > FORGOTTEN_S * this.sampleRate) this.sounding = 0;
    if (this.queue?.held) this.wait(out.length);
  }

  /** @param {number} n samples more that the answer has been held */
  wait(n) {
    this.heldFor += n;
    this.quietFor += n;
    const tooLong = this.heldFor > LONGEST_S * this.sampleRate;
    if (!tooLong && this.yields && this.quietFor <= QUIET_S * this.sampleRate) return;
    this.armed = !tooLong; // A sound this long that is not speech must not hold the answer again.
    this.queue?.resume();
  }

  /** Note 20 ms of the microphone. @param {number} level root mean square, full scale 1.0 */
  hear(level) {
    this.played.copyWithin(1, 0);
    this.played[0] = this.samples ? Math.sqrt(this.energy / this.samples) : 0;
    this.energy = this.samples = 0;
    const learning = this.sounding > 0 && this.sounding < LEARN_S * this.sampleRate;
    const loud = this.detector.push(level, Math.max(...this.played), learning);
    if (!this.detector.run) this.armed = true;
    if (this.queue?.held) return this.follow(loud);
    if (!this.yields || this.halfDuplex || !this.armed || !this.detector.onset) return;
    if (!this.queue?.playing || this.silent) return; // No answer is playing that could pause.
    this.heldFor = this.quietFor = this.loudFor = 0;
    this.queue.hold();
  }

  /** Follow the sound that holds the answer. @param {boolean} loud */
  follow(loud) {
    if (loud) {
      this.quietFor = 0;
      this.loudFor += 1;
    } else if (!this.detector.run && this.loudFor < VANISH_FRAMES) this.detector.couple(this.detector.loudest);
  }

  /** True if the microphone must send silence. */
  get mutes() {
    return this.halfDuplex && this.silent < TAIL_S * this.sampleRate;
  }
}

/** The worklets of one context share its global scope, and find the floor there. */
const KEY = Symbol.for("realtime-nb.floor");
if ("registerProcessor" in globalThis) /** @type {any} */ (globalThis)[KEY] ??= new Floor(sampleRate);
