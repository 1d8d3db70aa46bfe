// @ts-check
// The microphone's side in the audio thread: samples in, PCM16 frames out.

/** @param {Float32Array} y full scale 1.0 @returns {Int16Array<ArrayBuffer>} clipped, scale 32768 */
export function toPcm16(y) {
  return Int16Array.from(y, (s) => Math.max(-32768, Math.min(32767, Math.round(s * 32768))));
}

/** Cuts a stream of render quanta into frames of one length. */
export class FrameCutter {
  /** @param {number} frameSamples */
  constructor(frameSamples) {
    this.buffer = new Float32Array(frameSamples);
    this.filled = 0;
  }

  /** @param {Float32Array} y @returns {Float32Array[]} the frames that are full now */
  push(y) {
    const frames = [];
    for (let at = 0; at < y.length; ) {
      const n = Math.min(y.length - at, this.buffer.length - this.filled);
      this.buffer.set(y.subarray(at, at + n), this.filled);
      this.filled += n;
      at += n;
      if (this.filled === this.buffer.length) frames.push(this.take());
    }
    return frames;
  }

  /** @returns {Float32Array} the samples left over, full or not */
  take() {
    const frame = this.buffer.slice(0, this.filled);
    this.filled = 0;
    return frame;
  }
}

/** @param {Float32Array} y @returns {number} root mean square, full scale 1.0 */
export function rms(y) {
  let sum = 0;
  for (const s of y) sum += s * s;
  return y.length ? Math.sqrt(sum / y.length) : 0;
}

if ("registerProcessor" in globalThis) {
  const LEVEL_EVERY = 3; // frames

  class Capture extends AudioWorkletProcessor {
    /** @param {any} options */
    constructor(options) {
      super();
      this.cutter = new FrameCutter(options.processorOptions.frameSamples);
      this.muted = false;
      this.stopped = false;
      this.frames = 0;
      /** @type {MessagePort | null} to the carrier: for frames, and for messages that must stay in order with them */
      this.line = null;
      this.port.onmessage = ({ data }) => {
        if (data.line) this.line = data.line;
        if ("muted" in data) this.muted = data.muted;
        if (data.floor) Object.assign(this.floor ?? {}, data.floor);
        if (data.stop) this.stop();
      };
    }

    /** Decides when the answer pauses and when this side is silent; undefined in a microphone without a speaker. */
    get floor() {
      return /** @type {any} */ (globalThis)[Symbol.for("realtime-nb.floor")];
    }

    /** Send the rest of the last frame; nothing follows it. */
    stop() {
      if (this.cutter.filled) this.post(this.cutter.take());
      this.stopped = true;
      this.line?.postMessage({ kind: "stopped" });
      this.port.postMessage({ stopped: true });
    }

    /** @param {Float32Array} y */
    post(y) {
      const samples = toPcm16(y);
      this.line?.postMessage({ samples, sampleRate, timeMs: Date.now() }, [samples.buffer]);
      // The page's meter needs no more, and the page has other work to do.
      if (this.frames++ % LEVEL_EVERY === 0) this.port.postMessage({ level: rms(y) });
    }

    /** @param {Float32Array[][]} inputs */
    process([channels]) {
      if (this.stopped) return false;
      if (!channels?.length || !this.line) return true;
      const mono = channels.length === 1 ? channels[0] : mixed(channels);
      // A muted microphone sends silence, because the server's voice detection needs unbroken audio to end a turn.
      for (const frame of this.cutter.push(this.muted ? new Float32Array(mono.length) : mono)) {
        this.floor?.hear(rms(frame));
        this.post(this.floor?.mutes ? frame.fill(0) : frame);
      }
      return true;
    }
  }
  registerProcessor("realtime-nb-capture", Capture);
}

/** @param {Float32Array[]} channels @returns {Float32Array} */
function mixed(channels) {
  return channels[0].map((_, i) => channels.reduce((sum, c) => sum + c[i], 0) / channels.length);
}
