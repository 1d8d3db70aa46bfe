// @ts-check
// Live pictures of the sound: a running waveform and spectrogram for each side, drawn from the browser's own analysers,
// without the kernel or the audio thread.

/** @typedef {{ capture?: AnalyserNode | null, player?: AnalyserNode | null }} Taps sides that the source does not have
 *   are missing; null if a side cannot sound at the moment */
/** @typedef {"capture" | "player"} Side */

const WIDTH = 480;
const WAVE = 28;
const ENERGY = 44;
const COLUMNS_A_SECOND = 60;
const SHORTEST_MS = 30; // 33 frames a second at most: no one sees more, and the page has other work.
const IDLE_MS = 120; // How often to check for sound, and for a viewer.
const GONE = WIDTH + COLUMNS_A_SECOND; // After this many columns of silence the picture shows nothing else.
const GAP = 12; // Columns that are cleared ahead of the pen if the picture stands still.
const GAIN = 2; // Speech seldom exceeds half of full scale.
const LOWEST_HZ = 60;
const HIGHEST_HZ = 8000;
const LOUDEST_DB = -25;
const RANGE_DB = 65;
const NAMES = { capture: "You", player: "AI" };
// Matplotlib's "magma" at eight points, as in the pictures of the record.
const MAGMA = [
  [0, 0, 4], [34, 17, 80], [95, 24, 127], [152, 45, 128], [211, 67, 110], [248, 118, 92], [254, 187, 129], [252, 253, 191],
];

/** @param {number} share from 0 to 1 @returns {number[]} red, green and blue */
export function colour(share) {
  const place = Math.max(0, Math.min(1, share)) * (MAGMA.length - 1);
  const below = Math.min(MAGMA.length - 2, Math.floor(place));
  return MAGMA[below].map((c, i) => Math.round(c + (MAGMA[below + 1][i] - c) * (place - below)));
}

const PALETTE = Array.from({ length: 256 }, (_, i) => colour(i / 255));

/** The bins of each row, from the top; rows are equal parts of the mel scale (O'Shaughnessy's).
 * @param {number} rows @param {number} sampleRate @param {number} bins @returns {[number, number][]} */
export function binsOfRows(rows, sampleRate, bins) {
  const mel = (/** @type {number} */ hz) => Math.log10(1 + hz / 700);
  const [low, high] = [mel(LOWEST_HZ), mel(Math.min(HIGHEST_HZ, sampleRate / 2))];
  const binAt = (/** @type {number} */ row) => {
    const hz = 700 * (10 ** (high - (row / rows) * (high - low)) - 1);
    return Math.min(bins - 1, (hz / (sampleRate / 2)) * bins);
  };
  return Array.from({ length: rows }, (_, row) => {
    const first = Math.floor(binAt(row + 1));
    return [first, Math.max(first + 1, Math.ceil(binAt(row)))];
  });
}

/** @param {string} text */
const newLabel = (text) => Object.assign(document.createElement("span"), { textContent: text });

/** One side's canvas. */
class Lane {
  /** @param {HTMLElement} host @param {Side} side @param {string} name @param {boolean} still */
  constructor(host, side, name, still) {
    this.side = side;
    this.still = still;
    this.column = 0;
    this.quietColumns = GONE; // There is nothing in the picture yet.
    const lane = document.createElement("div");
    lane.className = `rtnb-lane rtnb-lane-${side}`;
    const axis = document.createElement("div");
    axis.className = "rtnb-axis";
    axis.append(...[name, "", `${LOWEST_HZ} Hz`].map(newLabel));
    this.top = /** @type {Element} */ (axis.children[1]);
    this.canvas = document.createElement("canvas");
    Object.assign(this.canvas, { width: WIDTH, height: WAVE + ENERGY });
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `${name}: live waveform and spectrogram`);
    lane.append(axis, this.canvas);
    host.append(lane);
    this.pen = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { willReadFrequently: true }));
    this.samples = new Float32Array(0);
    this.levels = new Float32Array(0);
    /** @type {[number, number][]} */
    this.rows = [];
    this.rate = 0;
  }

  /** Read an analyser. @param {AnalyserNode | null} tap @returns {boolean} whether it is a sound */
  listen(tap) {
    if (!tap) {
      this.samples.fill(0);
      this.levels.fill(-Infinity);
      return false;
    }
    if (this.rate !== tap.context.sampleRate || this.samples.length !== tap.fftSize) {
      this.rate = tap.context.sampleRate;
      this.samples = new Float32Array(tap.fftSize);
      this.levels = new Float32Array(tap.frequencyBinCount);
      this.rows = binsOfRows(ENERGY, this.rate, tap.frequencyBinCount);
      this.top.textContent = `${Math.min(HIGHEST_HZ, this.rate / 2) / 1000} kHz`;
    }
    tap.getFloatTimeDomainData(this.samples);
    tap.getFloatFrequencyData(this.levels);
    return this.samples.some((s) => s !== 0);
  }

  /** Draw the samples read as the next columns. @param {number} count */
  draw(count) {
    const n = Math.min(count, WIDTH);
    const { pen } = this;
    let x = WIDTH - n;
    if (this.still) {
      x = this.column % WIDTH;
      pen.clearRect(x, 0, n + GAP, WAVE + ENERGY);
    } else {
      pen.globalCompositeOperation = "copy"; // Transparent pixels must not show the old picture.
      pen.drawImage(this.canvas, -n, 0);
      pen.globalCompositeOperation = "source-over";
      pen.clearRect(x, 0, n, WAVE + ENERGY);
    }
    this.drawWave(x, n);
    this.drawEnergy(x, n);
    this.column += n;
  }

  /** @param {number} x @param {number} n */
  drawWave(x, n) {
    const share = this.rate / COLUMNS_A_SECOND;
    this.pen.fillStyle = getComputedStyle(this.canvas).color; // Themes change while we run.
    for (let i = 0; i < n; i += 1) {
      const end = this.samples.length - (n - 1 - i) * share;
      let low = 0;
      let high = 0;
      for (let at = Math.max(0, Math.floor(end - share)); at < end; at += 1) {
        low = Math.min(low, this.samples[at]);
        high = Math.max(high, this.samples[at]);
      }
      const top = Math.round((1 - Math.min(1, GAIN * high)) * (WAVE / 2 - 1));
      const bottom = Math.round(WAVE - (1 - Math.min(1, -GAIN * low)) * (WAVE / 2 - 1));
      this.pen.fillRect(x + i, top, 1, Math.max(1, bottom - top - 1));
    }
  }

  /** @param {number} x @param {number} n */
  drawEnergy(x, n) {
    const image = this.pen.createImageData(n, ENERGY);
    for (let row = 0; row < ENERGY; row += 1) {
      let db = -Infinity;
      const [first, last] = this.rows[row] ?? [0, 0];
      for (let bin = first; bin < last; bin += 1) db = Math.max(db, this.levels[bin]);
      const share = (db - LOUDEST_DB + RANGE_DB) / RANGE_DB;
      const [red, green, blue] = PALETTE[Math.round(255 * Math.max(0, Math.min(1, share)))];
      for (let i = 0; i < n; i += 1) image.data.set([red, green, blue, 255], 4 * (row * n + i));
    }
    this.pen.putImageData(image, x, WAVE);
  }
}

/**
 * Show sides until told to stop. Nothing is drawn while no one looks, or while the picture shows only silence.
 * @param {HTMLElement} host @param {() => Taps} taps asked before each frame @param {Partial<Record<Side, string>>} [names]
 * @returns {() => void} removes it
 */
export function showScope(host, taps, names = NAMES) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  /** @type {Lane[]} */
  const lanes = [];
  let visible = false;
  let request = 0;
  let timer = 0;
  let drawnMs = 0;
  const watcher = new IntersectionObserver((entries) => (visible = entries[entries.length - 1].isIntersecting));
  watcher.observe(host);
  const clock = document.createElement("div");
  clock.className = "rtnb-clock";
  if (!still) clock.append(...[`−${WIDTH / COLUMNS_A_SECOND} s`, "now"].map(newLabel));

  /** @returns {boolean} whether there is anything to draw */
  function listen() {
    const found = taps();
    for (const side of /** @type {Side[]} */ (["capture", "player"])) {
      if (!(side in found)) continue;
      let lane = lanes.find((each) => each.side === side);
      if (!lane) {
        lanes.push((lane = new Lane(host, side, names[side] ?? "", still)));
        host.append(clock); // Below the last lane.
      }
      if (lane.listen(found[side] ?? null)) lane.quietColumns = 0;
    }
    return lanes.some((lane) => lane.quietColumns < GONE);
  }

  /** @param {number} nowMs */
  function frame(nowMs) {
    const columns = Math.floor(((nowMs - drawnMs) * COLUMNS_A_SECOND) / 1000);
    if (nowMs - drawnMs >= SHORTEST_MS) {
      if (!visible || !listen()) return wait();
      for (const lane of lanes) {
        lane.draw(columns);
        lane.quietColumns += columns;
      }
      drawnMs += (columns * 1000) / COLUMNS_A_SECOND;
    }
    request = requestAnimationFrame(frame);
  }

  function wait() {
    timer = setTimeout(() => {
      if (!visible || document.hidden || !listen()) return wait();
      drawnMs = performance.now() - 1000 / COLUMNS_A_SECOND;
      request = requestAnimationFrame(frame);
    }, IDLE_MS);
  }

  listen();
  wait();
  return () => {
    watcher.disconnect();
    cancelAnimationFrame(request);
    clearTimeout(timer);
    lanes.forEach(({ canvas }) => canvas.parentElement?.remove());
    clock.remove();
  };
}

export default () => {
  /** @type {any} */
  let source;
  return {
    /** @param {{ model: any }} context */
    async initialize({ model }) {
      const reference = String(model.get("_source")).replace(/^IPY_MODEL_/, "");
      source = await model.widget_manager.get_model(reference);
    },
    /** @param {{ model: any, el: HTMLElement }} context */
    render({ model, el }) {
      el.classList.add("rtnb", "rtnb-scope");
      /** @returns {Map<string, () => Taps> | undefined} the taps of all engines of the page, by their roads' tokens */
      const known = () => /** @type {any} */ (globalThis)[Symbol.for("realtime-nb.taps")];
      const none = Object.fromEntries(model.get("_sides").map((/** @type {Side} */ side) => [side, null]));
      return showScope(el, () => known()?.get(source?.get("_door").token)?.() ?? none);
    },
  };
};
