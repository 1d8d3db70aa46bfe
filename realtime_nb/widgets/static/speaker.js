// @ts-check
// A loudspeaker. The engine belongs to the model, the view only shows it.

/** @param {string} text @returns {Promise<any>} */
function load(text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  return import(url).finally(() => URL.revokeObjectURL(url));
}

/** @param {any} model @param {AbortSignal} signal */
async function makeEngine(model, signal) {
  const parts = model.get("_parts");
  const [roadPart, audioPart] = await Promise.all([load(parts["road.js"]), load(parts["audio.js"])]);
  const state = { playing: false, blocked: false, level: 0, error: "", road: "", stalled: false };
  const watchers = new Set();
  let scheduled = 0;

  /** Update the views about fifteen times a second; meters need no more, and the page has sound to carry. */
  function changed() {
    scheduled ||= setTimeout(() => {
      scheduled = 0;
      watchers.forEach((watch) => watch());
    }, 60);
  }

  const audio = audioPart.makeAudio({
    model,
    signal,
    worklets: { player: parts["player.worklet.js"] },
    onLine: (/** @type {"player"} */ side, /** @type {MessagePort | null} */ line) => road.attach(side, line),
    onReport(/** @type {any} */ report) {
      Object.assign(state, { playing: report.playing !== null, level: report.playing ? report.level : 0 });
      changed();
    },
    onFlushed() {
      Object.assign(state, { playing: false, level: 0 });
      changed();
    },
    onContext(/** @type {{ sampleRate: number, blocked: boolean }} */ { sampleRate, blocked }) {
      state.blocked = blocked;
      road.send({ kind: "audio", sample_rate: sampleRate, blocked }, true);
      changed();
    },
  });

  const road = roadPart.openRoad({
    model,
    signal,
    onControl(/** @type {any} */ message) {
      if (message.kind !== "shared") return;
      state[/** @type {"error"} */ (message.name)] = message.value;
      changed();
    },
    onRoad(/** @type {string} */ name, /** @type {boolean} */ stalled) {
      if (name === "taken") audio.close();
      audio.setRoad(name);
      Object.assign(state, { road: name, stalled });
      changed();
    },
    onWanted: () => audio.open().catch(fail),
  });

  /** @param {any} error */
  function fail(error) {
    state.error = audioPart.inWords(error);
    road.send({ kind: "problem", text: state.error }, true);
    changed();
  }

  return {
    state,
    enable() {
      road.retake();
      audio.open().catch(fail);
    },
    stop: () => road.flush(),
    words: () => roadPart.roadInWords(state.road, state.stalled),
    /** @param {() => void} watch */
    watch: (watch) => (watchers.add(watch), () => watchers.delete(watch)),
  };
}

/** @param {any} engine @param {HTMLElement} el */
function show(engine, el) {
  el.classList.add("rtnb", "rtnb-speaker");
  el.innerHTML = `
    <div class="rtnb-row">
      <button type="button" class="rtnb-button rtnb-primary" data-role="enable"></button>
      <button type="button" class="rtnb-button" data-role="stop">■ Stop</button>
      <span class="rtnb-meter" role="img" aria-label="Speaker level"><span></span></span>
      <span class="rtnb-quiet" data-role="road"></span>
    </div>
    <div class="rtnb-error" role="alert" hidden></div>`;
  const find = (/** @type {string} */ selector) => /** @type {any} */ (el.querySelector(selector));
  const [enable, stop, road] = ["enable", "stop", "road"].map((role) => find(`[data-role=${role}]`));
  const bar = find(".rtnb-meter > span");
  const error = find(".rtnb-error");
  enable.onclick = engine.enable;
  stop.onclick = engine.stop;

  function draw() {
    const { playing, blocked, level, error: text, road: name } = engine.state;
    enable.hidden = !blocked && name !== "taken";
    enable.textContent = name === "taken" ? "Play here" : "Click anywhere to hear it";
    stop.disabled = !playing;
    bar.style.width = `${Math.min(100, Math.sqrt(level) * 140)}%`;
    road.textContent = engine.words();
    error.textContent = text;
    error.hidden = !text;
  }
  draw();
  return engine.watch(draw);
}

export default () => {
  /** @type {Promise<any>} */
  let engine;
  return {
    /** @param {{ model: any, signal: AbortSignal }} context */
    async initialize({ model, signal }) {
      engine = makeEngine(model, signal);
      await engine;
    },
    /** @param {{ el: HTMLElement }} context */
    async render({ el }) {
      return show(await engine, el);
    },
  };
};
