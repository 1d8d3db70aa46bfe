// @ts-check
// A microphone button. The engine belongs to the model, the view only shows it.

const UNSEEN_MS = 2000;

/** @param {string} text @returns {Promise<any>} */
function load(text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  return import(url).finally(() => URL.revokeObjectURL(url));
}

/** @param {any} model @param {AbortSignal} signal */
async function makeEngine(model, signal) {
  const parts = model.get("_parts");
  const [roadPart, audioPart] = await Promise.all([load(parts["road.js"]), load(parts["audio.js"])]);
  const state = { recording: false, muted: false, level: 0, error: "", road: "", stalled: false };
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
    worklets: { capture: parts["capture.worklet.js"] },
    onLine: (/** @type {"capture"} */ side, /** @type {MessagePort} */ line) => road.attach(side, line),
    onLevel(/** @type {number} */ level) {
      state.level = level;
      changed();
    },
    onCaptureStopped() {
      state.level = 0;
      changed();
    },
    onCaptureEnded: (/** @type {string} */ reason) => (problem(reason), share("recording", false)),
  });

  const road = roadPart.openRoad({
    model,
    signal,
    onControl(/** @type {any} */ message) {
      if (message.kind !== "shared") return;
      if (message.name === "recording") setRecording(message.value, false);
      else if (message.name === "muted") setMuted(message.value, false);
      else state[/** @type {"error"} */ (message.name)] = message.value;
      changed();
    },
    onRoad(/** @type {string} */ name, /** @type {boolean} */ stalled) {
      Object.assign(state, { road: name, stalled });
      if (name === "taken") setRecording(false, false);
      changed();
    },
  });

  /** @param {"recording" | "muted" | "error"} name @param {any} value */
  function share(name, value) {
    /** @type {any} */ (state)[name] = value;
    road.share(name, value);
    changed();
  }

  /** @param {string} text */
  function problem(text) {
    state.error = text;
    road.send({ kind: "problem", text }, true);
  }

  /** @param {boolean} on @param {boolean} byPerson */
  async function setRecording(on, byPerson) {
    if (on === state.recording) return;
    state.recording = on;
    if (byPerson) {
      if (on) share("error", "");
      share("recording", on);
    }
    if (!on) return audio.stopCapture();
    try {
      await audio.startCapture();
    } catch (error) {
      problem(audioPart.inWords(error));
      share("recording", false);
    }
  }

  /** @param {boolean} on @param {boolean} byPerson */
  function setMuted(on, byPerson) {
    state.muted = on;
    audio.setMuted(on);
    if (byPerson) share("muted", on);
  }

  return {
    state,
    toggleRecording: () => (state.road === "taken" ? road.retake() : setRecording(!state.recording, true)),
    toggleMuted: () => setMuted(!state.muted, true),
    words: () => roadPart.roadInWords(state.road, state.stalled),
    /** @param {() => void} watch called on every change, while a view shows the engine */
    watch(watch) {
      watchers.add(watch);
      return () => {
        watchers.delete(watch);
        // Jupyter removes a view to show it elsewhere; but a microphone that no one sees must not stay open.
        setTimeout(() => watchers.size || setRecording(false, true), UNSEEN_MS);
      };
    },
  };
}

/** @param {any} engine @param {HTMLElement} el */
function show(engine, el) {
  el.classList.add("rtnb", "rtnb-microphone");
  el.innerHTML = `
    <div class="rtnb-row">
      <button type="button" class="rtnb-button rtnb-primary" data-role="record"></button>
      <button type="button" class="rtnb-button" data-role="mute">Mute</button>
      <span class="rtnb-meter" role="img" aria-label="Microphone level"><span></span></span>
      <span class="rtnb-quiet" data-role="road"></span>
    </div>
    <div class="rtnb-error" role="alert" hidden></div>`;
  const find = (/** @type {string} */ selector) => /** @type {any} */ (el.querySelector(selector));
  const [record, mute, road] = ["record", "mute", "road"].map((role) => find(`[data-role=${role}]`));
  const bar = find(".rtnb-meter > span");
  const error = find(".rtnb-error");
  record.onclick = engine.toggleRecording;
  mute.onclick = engine.toggleMuted;

  function draw() {
    const { recording, muted, level, error: text } = engine.state;
    const taken = engine.state.road === "taken";
    record.textContent = taken ? "Use here" : recording ? "■ Stop" : "● Record";
    record.setAttribute("aria-label", taken ? "Use here" : recording ? "Stop recording" : "Record");
    mute.disabled = taken;
    mute.classList.toggle("rtnb-on", muted);
    mute.textContent = muted ? "Unmute" : "Mute";
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
