// @ts-check
// The speaker's side in the audio thread: one queue of items in, samples and reports of them out.

/**
 * A piece of sound with a name. `played` counts the samples played, `queued` those to come; `floor` is the smallest
 * queue found when more came, within the last `watched` samples, `area` the sum of those queues, each times what came;
 * `usual` is the mean queue of its first watch, and `least` the smallest of the last `watches`; `held` is how long it
 * waited with a full pre-roll.
 * @typedef {{ key: number, chunks: Float32Array[], queued: number, played: number, ended: boolean, live: boolean,
 *   began: boolean, sounded: boolean, floor: number, area: number, watched: number, usual: number, least: number,
 *   watches: number, held: number }} Item
 */
/** @typedef {{ key: number, samples: number }} Position */
/** @typedef {{ key: number, audible: boolean, at: number }} Beginning the place of an item's first sample, or its
 *   first audible one, in the rendered samples */

const UNWATCHED = { floor: Infinity, area: 0, watched: 0, least: Infinity, watches: 0, held: 0 };
const MANY_WATCHES = 20; // A minute.
const AUDIBLE = 0.001; // -60 dB of full scale; realtime_nb/conversation/timing.py has the same.

/** @param {Int16Array} pcm @returns {Float32Array} scale 32768 */
export function fromPcm16(pcm) {
  return Float32Array.from(pcm, (s) => s / 32768);
}

/**
 * A queue of items; each starts once a little of it is there.
 *
 * It counts the samples that it really rendered. If playback stops suddenly, it fades out instead of clicking.
 */
export class PlayQueue {
  /** @param {{ prerollSamples: number, fadeSamples: number, watchSamples: number }} options */
  constructor({ prerollSamples, fadeSamples, watchSamples }) {
    this.prerollSamples = prerollSamples;
    this.fadeSamples = fadeSamples;
    this.watchSamples = watchSamples;
    /** @type {Item[]} */
    this.items = [];
    this.waiting = true;
    this.underruns = 0;
    this.leftOut = 0; // samples of live items
    this.flushedKey = 0;
    this.held = false;
    this.holds = 0;
    /** @type {Float32Array} */
    this.tail = new Float32Array(0);
    /** @type {Position[]} */
    this.finished = [];
    /** @type {Beginning[]} */
    this.beginnings = [];
  }

  get playing() {
    return this.items.length > 0;
  }

  /** @param {number} key @param {Float32Array} y @param {boolean} last @param {boolean} live made as it is played */
  push(key, y, last, live) {
    // Audio that was on its way when the person interrupted is not played.
    if (key !== 0 && key <= this.flushedKey) return;
    let item = this.items.find((i) => i.key === key);
    if (!item) {
      const untouched = { ended: false, live, began: false, sounded: false };
      item = { key, chunks: [], queued: 0, played: 0, ...untouched, usual: Infinity, ...UNWATCHED };
      // A response cut off by the server never says that its last item ended; it must not block the next one.
      for (const earlier of this.items) earlier.ended = true;
      if (!this.items.length) this.waiting = true;
      this.items.push(item);
    }
    if (y.length) item.chunks.push(y);
    item.queued += y.length;
    item.ended ||= last;
    if (item.live && item === this.items[0] && !this.waiting) this.keepUp(item, y.length);
  }

  /**
   * Let a live item catch up: each gap leaves it with more in the queue than it needs, and so does a microphone whose
   * clock is faster than the speaker's. Samples that stay in the queue unused are skipped, except for three quarters of
   * a pre-roll. If a minute would have gone well with the queue of its first watch and a quarter of a pre-roll to spare,
   * it goes back to that. What is skipped counts as played.
   * @param {Item} item @param {number} arrived samples, the last of its queue
   */
  keepUp(item, arrived) {
    const left = item.queued - arrived;
    item.floor = Math.min(item.floor, left);
    item.area += left * arrived;
    item.watched += arrived;
    if (item.watched < this.watchSamples) return;
    const preroll = this.prerollSamples;
    const mean = item.area / item.watched;
    let spare = item.floor > preroll ? item.floor - 0.75 * preroll : 0;
    item.least = Math.min(item.least, item.floor);
    item.watches += 1;
    if (item.watches === MANY_WATCHES) {
      spare = Math.max(spare, Math.min(mean - item.usual, item.least - 0.25 * preroll));
      item.least = Infinity;
      item.watches = 0;
    }
    spare = spare > preroll / 8 ? Math.floor(spare) : 0;
    if (spare) this.skip(item, spare);
    if (item.usual === Infinity) item.usual = mean - spare;
    Object.assign(item, { floor: Infinity, area: 0, watched: 0 });
  }

  /** Skip the next `n` samples, with a cross-fade. @param {Item} item @param {number} n */
  skip(item, n) {
    const faded = new Float32Array(Math.min(this.fadeSamples, n));
    const left = new Float32Array(n);
    this.leftOut += n;
    this.read(item, left);
    this.read(item, faded);
    faded.forEach((s, i) => (faded[i] = left[i] + ((s - left[i]) * (i + 1)) / faded.length));
    item.chunks.unshift(faded);
    item.queued += faded.length;
    item.played -= faded.length;
  }

  /** Pause, with a fade; nothing is dropped, and the faded samples are played again. */
  hold() {
    if (this.held) return;
    this.held = true;
    this.holds += 1;
    this.tail = this.ahead().map((s, i, y) => s * (1 - (i + 1) / y.length));
  }

  /** Go on from the pause. */
  resume() {
    this.held = false;
    this.ahead().forEach((s, i, y) => (y[i] = (s * (i + 1)) / y.length));
  }

  /** @returns {Float32Array} the next samples for a fade, which stay in the queue */
  ahead() {
    const item = this.items[0];
    if (!item || this.waiting) return new Float32Array(0);
    const y = new Float32Array(Math.min(this.fadeSamples, item.queued));
    this.read(item, y);
    item.chunks.unshift(y);
    item.queued += y.length;
    item.played -= y.length;
    return y;
  }

  /** Drop everything queued, with a fade. @returns {Position[]} how far each unfinished item was played */
  flush() {
    const item = this.items[0];
    if (item && !this.waiting && !this.held) {
      const faded = new Float32Array(Math.min(this.fadeSamples, item.queued));
      this.read(item, faded);
      this.tail = faded.map((s, i) => s * (1 - (i + 1) / faded.length));
    }
    const positions = this.items.map(({ key, played }) => ({ key, samples: played }));
    this.flushedKey = this.items.reduce((key, i) => Math.max(key, i.key), this.flushedKey);
    this.items = [];
    this.held = false;
    return positions;
  }

  /** Render the next samples. @param {Float32Array} out @returns {number} how many come from an item */
  pull(out) {
    let at = this.pullTail(out);
    const start = at;
    while (at < out.length && this.items.length && !this.held) {
      const item = this.items[0];
      if (this.waiting && !this.isReady(item, out.length - at)) break;
      this.waiting = false;
      const from = at;
      at += this.read(item, out.subarray(at));
      if (!item.sounded) this.notice(item, out.subarray(0, at), from);
      if (item.queued) continue;
      if (item.ended) {
        this.finished.push({ key: item.key, samples: item.played });
        this.items.shift();
        continue;
      }
      this.underruns += 1;
      this.waiting = true; // Collect a pre-roll again rather than stutter.
      Object.assign(item, UNWATCHED);
      this.fadeFrom(at ? out[at - 1] : 0);
      at += this.pullTail(out.subarray(at));
      return at - start;
    }
    out.fill(0, at);
    return at - start;
  }

  /** Note where an item begins, and where it becomes audible. @param {Item} item @param {Float32Array} y
   * @param {number} from */
  notice(item, y, from) {
    if (from === y.length) return;
    if (!item.began) this.beginnings.push({ key: item.key, audible: false, at: from });
    item.began = true;
    const at = y.findIndex((s, i) => i >= from && (s > AUDIBLE || s < -AUDIBLE));
    if (at < 0) return;
    this.beginnings.push({ key: item.key, audible: true, at });
    item.sounded = true;
  }

  /** Return whether a waiting item may begin. @param {Item} item @param {number} silence to render if it may not */
  isReady(item, silence) {
    if (item.ended) return true;
    if (item.queued < this.prerollSamples) return false;
    // A live item is played as fast as it comes, so it must begin with enough in the queue.
    if (item.live && item.held < this.prerollSamples / 4) {
      item.held += silence;
      return false;
    }
    return true;
  }

  /** @param {Item} item @param {Float32Array} out @returns {number} */
  read(item, out) {
    let at = 0;
    while (at < out.length && item.chunks.length) {
      const chunk = item.chunks[0];
      const n = Math.min(out.length - at, chunk.length);
      out.set(chunk.subarray(0, n), at);
      at += n;
      if (n === chunk.length) item.chunks.shift();
      else item.chunks[0] = chunk.subarray(n);
    }
    item.queued -= at;
    item.played += at;
    return at;
  }

  /** @param {number} value the last sample before the audio ran out */
  fadeFrom(value) {
    this.tail = Float32Array.from({ length: this.fadeSamples }, (_, i) => value * (1 - (i + 1) / this.fadeSamples));
  }

  /** @param {Float32Array} out @returns {number} */
  pullTail(out) {
    const n = Math.min(out.length, this.tail.length);
    out.set(this.tail.subarray(0, n));
    this.tail = this.tail.subarray(n);
    out.fill(0, n);
    return n;
  }
}

if ("registerProcessor" in globalThis) {
  const REPORT_MS = 100;
  const WATCH_S = 3;

  class Player extends AudioWorkletProcessor {
    /** @param {any} options */
    constructor(options) {
      super();
      const { prerollMs } = options.processorOptions;
      this.queue = new PlayQueue({
        prerollSamples: Math.round((prerollMs * sampleRate) / 1000),
        fadeSamples: Math.round(sampleRate * 0.003),
        watchSamples: WATCH_S * sampleRate,
      });
      this.audible = 0;
      this.wasHeld = false;
      this.energy = 0;
      this.rendered = 0;
      this.sinceReport = 0;
      this.reportEvery = Math.round((REPORT_MS * sampleRate) / 1000);
      /** @type {MessagePort | null} to the carrier: it brings the kernel's sound, and takes the reports back */
      this.line = null;
      this.port.onmessage = ({ data }) => {
        if (data.line) this.connect(data.line);
        else this.queue.prerollSamples = Math.round((data.prerollMs * sampleRate) / 1000);
      };
    }

    /** @param {MessagePort} line */
    connect(line) {
      this.line = line;
      line.onmessage = ({ data }) => {
        if (data.flush) this.flush();
        else this.queue.push(data.key, fromPcm16(data.samples), data.last, data.live);
      };
    }

    flush() {
      const positions = this.queue.flush();
      this.tell({ kind: "flushed", positions, time_ms: Date.now() });
      if (positions.length) this.report();
    }

    report() {
      const { items, finished, underruns, leftOut, held, holds } = this.queue;
      const level = this.rendered ? Math.sqrt(this.energy / this.rendered) : 0;
      const playing = items.length ? { key: items[0].key, samples: items[0].played } : null;
      const counters = { underruns, leftOut, holds, audible: this.audible };
      this.tell({ kind: "played", playing, finished, held, ...counters, level, timeMs: Date.now() });
      this.queue.finished = [];
      this.energy = this.rendered = this.sinceReport = 0;
    }

    /** Tell the kernel and the page. @param {{ kind: string, [field: string]: any }} message */
    tell(message) {
      this.line?.postMessage(message);
      this.port.postMessage(message);
    }

    /** Tell the floor what is playing; a speaker without a microphone has none.
     * @param {Float32Array} out @param {number} n */
    rule(out, n) {
      const floor = /** @type {any} */ (globalThis)[Symbol.for("realtime-nb.floor")];
      if (!floor) return;
      floor.queue = this.queue;
      floor.rendered(out, n);
    }

    /** @param {Float32Array[][]} _inputs @param {Float32Array[][]} outputs */
    process(_inputs, [[out]]) {
      const wasPlaying = this.queue.playing;
      const n = this.queue.pull(out);
      for (const { key, audible, at } of this.queue.beginnings.splice(0)) {
        // Only the page knows the output's latency, and adds it to the message.
        this.port.postMessage({ kind: "began", key, audible, time_ms: Date.now() + (1000 * at) / sampleRate });
      }
      this.rule(out, n);
      for (const s of out) {
        this.energy += s * s;
        if (s > AUDIBLE || s < -AUDIBLE) this.audible += 1;
      }
      this.rendered += out.length;
      this.sinceReport += n;
      const changed = (wasPlaying && !this.queue.playing) || this.wasHeld !== this.queue.held;
      this.wasHeld = this.queue.held;
      if (changed || this.queue.finished.length || this.sinceReport >= this.reportEvery) this.report();
      return true;
    }
  }
  registerProcessor("realtime-nb-player", Player);
}
