// @ts-check
// A camera: a preview in the page, and pictures for the kernel. The engine belongs to the model, the view only shows it.

const UNSEEN_MS = 2000;
const FIRST_FRAME_MS = 10_000;
const FROM_CAMERA = 3;
const HEADER_BYTES = 24; // realtime_nb/widgets/road.py has the layout.
const JPEG_QUALITY = 0.85;
const MAX_SIDE = 1024; // For pictures that the person takes.

/** @param {string} text @returns {Promise<any>} */
function load(text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  return import(url).finally(() => URL.revokeObjectURL(url));
}

/**
 * Return the size to which a picture is scaled down.
 * @param {number} width @param {number} height @param {number} maxSide @returns {[number, number]}
 */
export function fitted(width, height, maxSide) {
  const scale = Math.min(1, maxSide / Math.max(width, height));
  return [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
}

/** An error in words for the person, with the way out. @param {any} error @param {boolean} screen @returns {string} */
export function inWords(error, screen) {
  switch (error?.name) {
    case "InvalidStateError":
    case "NotAllowedError":
    case "SecurityError":
      if (screen) return "Browsers share a screen only after a click: press “Share screen”, and pick what to show.";
      return allowedByFrame()
        ? "The browser does not allow the camera here. Allow it beside the address bar, then try again."
        : "This notebook runs inside a frame that may not use the camera. Open it in its own browser tab.";
    case "NotFoundError":
      return "No camera was found. Plug one in and try again.";
    case "NotReadableError":
      return "The camera is in use by another program or switched off. Free it and try again.";
    case "OverconstrainedError":
      // WebKit's words for a missing device: no constraint is named.
      if (!error.constraint) return inWords({ name: "NotFoundError" }, screen);
      return `No camera fits the constraint “${error.constraint}”.`;
    default:
      return error?.message || String(error);
  }
}

function allowedByFrame() {
  const policy = /** @type {any} */ (document).permissionsPolicy ?? /** @type {any} */ (document).featurePolicy;
  return policy?.allowsFeature?.("camera") ?? true;
}

/** @param {any} model @returns {Promise<{ stream: MediaStream, own: boolean }>} */
async function openStream(model) {
  const reference = model.get("stream");
  if (reference) {
    const source = await model.widget_manager.get_model(String(reference).replace(/^IPY_MODEL_/, ""));
    return { stream: await (source.captureStream ? source.captureStream() : source.stream), own: false };
  }
  const devices = navigator.mediaDevices;
  if (!window.isSecureContext || !devices) {
    throw new Error(
      `This page (${location.origin}) is not secure, so the browser gives it no camera. ` +
        "Open the notebook at http://localhost or over https.",
    );
  }
  if (model.get("source") === "screen") {
    if (!devices.getDisplayMedia) throw new Error("This browser does not share screens.");
    return { stream: await devices.getDisplayMedia({ video: true, audio: false }), own: true };
  }
  return { stream: await devices.getUserMedia({ video: model.get("constraints"), audio: false }), own: true };
}

/** Wait for a video's first picture. @param {HTMLVideoElement} video */
function firstFrame(video) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("The stream shows no picture. Is it playing?")), FIRST_FRAME_MS);
    const look = () => {
      if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA || !video.videoWidth) return;
      clearTimeout(timer);
      for (const name of ["loadeddata", "playing", "resize"]) video.removeEventListener(name, look);
      resolve(undefined);
    };
    for (const name of ["loadeddata", "playing", "resize"]) video.addEventListener(name, look);
    look();
  });
}

/** Return the current picture of a video as a message. @param {HTMLVideoElement} video @param {number} maxSide */
async function shot(video, maxSide, key = 0, seq = 0) {
  const timeMs = Date.now();
  const [width, height] = fitted(video.videoWidth, video.videoHeight, maxSide);
  const canvas = new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
  context.imageSmoothingQuality = "high";
  context.drawImage(video, 0, 0, width, height);
  const jpeg = new Uint8Array(await (await canvas.convertToBlob({ type: "image/jpeg", quality: JPEG_QUALITY })).arrayBuffer());
  const buffer = new ArrayBuffer(HEADER_BYTES + jpeg.length);
  const view = new DataView(buffer);
  view.setUint8(0, FROM_CAMERA);
  view.setUint32(4, seq, true);
  view.setUint32(12, key, true);
  view.setFloat64(16, timeMs, true);
  new Uint8Array(buffer, HEADER_BYTES).set(jpeg);
  return buffer;
}

/** @param {any} model @param {AbortSignal} signal */
async function makeEngine(model, signal) {
  const roadPart = await load(model.get("_parts")["road.js"]);
  const isScreen = () => model.get("source") === "screen" && !model.get("stream");
  const state = { active: false, error: "", road: "", stalled: false, taken: 0, stream: /** @type {any} */ (null) };
  const watchers = new Set();
  const video = document.createElement("video");
  video.muted = video.playsInline = true;
  /** @type {Promise<void> | null} */
  let opening = null;
  let own = false;
  let attempt = 0; // Cancels a stream that arrives after close().
  let snapping = 0;
  let seq = 0;

  const changed = () => watchers.forEach((watch) => watch());

  const road = roadPart.openRoad({
    model,
    signal,
    onControl(/** @type {any} */ message) {
      if (message.kind === "snap") snap(message.key, message.max_side);
      if (message.kind !== "shared") return;
      if (message.name === "active") setActive(message.value, false);
      else state[/** @type {"error"} */ (message.name)] = message.value;
      changed();
    },
    onRoad(/** @type {string} */ name, /** @type {boolean} */ stalled) {
      Object.assign(state, { road: name, stalled });
      if (name === "taken") setActive(false, false);
      changed();
    },
  });

  /** @param {"active" | "error"} name @param {any} value */
  function share(name, value) {
    /** @type {any} */ (state)[name] = value;
    road.share(name, value);
    changed();
  }

  /** @param {any} error @returns {string} */
  function problem(error) {
    const text = inWords(error, isScreen());
    state.error = text;
    road.send({ kind: "problem", text }, true);
    changed();
    return text;
  }

  async function openNow() {
    const mine = ++attempt;
    const opened = await openStream(model);
    const drop = () => opened.own && opened.stream.getTracks().forEach((t) => t.stop());
    const [track] = opened.stream.getVideoTracks();
    if (mine !== attempt) throw drop(), new Error("The camera was closed before it was ready.");
    if (!track) throw drop(), new Error("The stream has no picture. Give it one: constraints={'video': True}.");
    state.stream = opened.stream;
    own = opened.own;
    track.onended = () => state.stream === opened.stream && ended();
    video.srcObject = opened.stream;
    video.play().catch(() => {}); // Rejected if the stream ends before it plays.
    changed();
    await firstFrame(video);
  }

  /** Open the stream, once for all callers. */
  function open() {
    opening ??= openNow().catch((error) => {
      close();
      throw error;
    });
    return opening;
  }

  function close() {
    attempt += 1;
    opening = null;
    const stream = state.stream;
    state.stream = null;
    video.srcObject = null;
    if (stream && own) stream.getTracks().forEach((/** @type {MediaStreamTrack} */ t) => t.stop());
    changed();
  }

  /** Handle the end of the stream, by the device or the person. */
  function ended() {
    close();
    if (!state.active) return;
    problem(new Error(isScreen() ? "The screen is no longer shared." : "The camera was unplugged, or its stream ended."));
    share("active", false);
  }

  /** @param {boolean} on @param {boolean} byPerson */
  async function setActive(on, byPerson) {
    if (on === state.active) return;
    state.active = on;
    if (byPerson) {
      if (on) share("error", "");
      share("active", on);
    }
    changed();
    if (!on) return snapping || close();
    try {
      await open();
    } catch (error) {
      if (!state.active) return; // It was closed while it was opening.
      problem(error);
      share("active", false);
    }
  }

  /** @param {number} key @param {number} maxSide */
  async function snap(key, maxSide) {
    snapping += 1;
    try {
      await open();
      road.sendBytes(await shot(video, maxSide, key, ++seq));
      state.taken += 1;
      if (state.error) share("error", "");
    } catch (error) {
      road.send({ kind: "no_picture", key, text: problem(error) }, true);
    }
    snapping -= 1;
    if (!snapping && !state.active) close();
    changed();
  }

  signal.addEventListener("abort", close);

  return {
    state,
    isScreen,
    toggle: () => (state.road === "taken" ? road.retake() : setActive(!state.active, true)),
    take: () => snap(0, MAX_SIDE),
    words: () => roadPart.roadInWords(state.road, state.stalled).replace("Audio", "Pictures").replace("sound", "it"),
    /** @param {() => void} watch called on every change, while a view shows the engine */
    watch(watch) {
      watchers.add(watch);
      return () => {
        watchers.delete(watch);
        // Jupyter removes a view to show it elsewhere; but a camera that no one sees must not stay open.
        setTimeout(() => watchers.size || setActive(false, true), UNSEEN_MS);
      };
    },
  };
}

/** @param {any} engine @param {HTMLElement} el */
function show(engine, el) {
  el.classList.add("rtnb", "rtnb-camera");
  el.innerHTML = `
    <div class="rtnb-row">
      <button type="button" class="rtnb-button rtnb-primary" data-role="toggle"></button>
      <button type="button" class="rtnb-button" data-role="take">Take picture</button>
      <span class="rtnb-quiet" data-role="taken" aria-live="polite"></span>
      <span class="rtnb-quiet" data-role="road"></span>
    </div>
    <video class="rtnb-preview" muted playsinline aria-label="What the camera sees" hidden></video>
    <div class="rtnb-error" role="alert" hidden></div>`;
  const find = (/** @type {string} */ selector) => /** @type {any} */ (el.querySelector(selector));
  const [toggle, take, taken, road] = ["toggle", "take", "taken", "road"].map((role) => find(`[data-role=${role}]`));
  const preview = /** @type {HTMLVideoElement} */ (find("video"));
  const error = find(".rtnb-error");
  preview.muted = true; // The attribute has no effect on elements made from text.
  toggle.onclick = engine.toggle;
  take.onclick = engine.take;

  function draw() {
    const { active, stream, error: text, taken: count } = engine.state;
    const screen = engine.isScreen();
    const elsewhere = engine.state.road === "taken";
    toggle.textContent = elsewhere ? "Use here" : active ? (screen ? "■ Stop sharing" : "■ Camera off") : screen ? "● Share screen" : "● Camera on";
    toggle.classList.toggle("rtnb-on", active);
    take.disabled = (screen && !stream) || elsewhere;
    taken.textContent = count ? `${count} picture${count > 1 ? "s" : ""} taken` : "";
    if (preview.srcObject !== stream) {
      preview.srcObject = stream;
      if (stream) preview.play().catch(() => {});
    }
    preview.hidden = !stream;
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
