// @ts-check
// Checks of a set-up that only the page can make, and buttons for those that need a click. The engine belongs to the
// model; the view only shows it.

const LISTEN_MS = 2000;
const IPYWEBRTC = "~0.6.0";
const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** @param {string} text @returns {Promise<any>} */
function load(text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  return import(url).finally(() => URL.revokeObjectURL(url));
}

/** Return the page's application, as it names itself. @returns {{ app: string, app_version: string }} */
function application() {
  if (location.protocol === "vscode-webview:" || /\.vscode-(cdn|webview)\.net$/.test(location.hostname)) {
    return { app: "vscode", app_version: "" };
  }
  if (/(^|\.)googleusercontent\.com$|^colab\./.test(location.hostname)) return { app: "colab", app_version: "" };
  try {
    const config = JSON.parse(document.getElementById("jupyter-config-data")?.textContent || "{}");
    return { app: config.appName || "", app_version: config.appVersion || "" };
  } catch {
    return { app: "", app_version: "" };
  }
}

/** @returns {string} */
function browserName() {
  const [, name, number] =
    /(Firefox|Edg|OPR|Chrome)\/(\d+)/.exec(navigator.userAgent) ?? /(?:Version)\/((\d+)).*Safari/.exec(navigator.userAgent) ?? [];
  const names = /** @type {Record<string, string>} */ ({ Edg: "Edge", OPR: "Opera" });
  return name ? `${names[name] ?? (/^\d/.test(name) ? "Safari" : name)} ${number}` : "an unknown browser";
}

/** Return the permission for the microphone, which also reports changes. @returns {Promise<PermissionStatus | null>} */
async function microphonePermission() {
  try {
    return await navigator.permissions.query({ name: /** @type {any} */ ("microphone") });
  } catch {
    return null; // Some browsers do not tell.
  }
}

/** Count the devices, and name the first microphone; the name is empty until the person allows the microphone.
 * @returns {Promise<{ microphones: number | null, speakers: number | null, device: string }>} */
async function devices() {
  const all = await navigator.mediaDevices?.enumerateDevices().catch(() => null);
  const of = (/** @type {string} */ kind) => all?.filter((device) => device.kind === kind && device.deviceId !== "default");
  const [inputs, outputs] = [of("audioinput"), of("audiooutput")];
  return { microphones: inputs?.length ?? null, speakers: outputs?.length ?? null, device: inputs?.[0]?.label ?? "" };
}

/** Return whether the front end has ipywebrtc's part; null if it does not say. @param {any} model */
async function hasIpywebrtc(model) {
  const manager = model.widget_manager;
  if (!manager?.loadClass) return null;
  return manager.loadClass("MediaStreamModel", "jupyter-webrtc", IPYWEBRTC).then(Boolean, () => false);
}

/** @param {any} model @param {AbortSignal} signal */
async function makeEngine(model, signal) {
  const parts = model.get("_parts");
  const [roadPart, audioPart] = await Promise.all([load(parts["road.js"]), load(parts["audio.js"])]);
  const state = { busy: "", level: 0, question: false, text: "", error: "", road: "" };
  const watchers = new Set();
  let timer = 0;

  const changed = () => watchers.forEach((watch) => watch());

  const audio = audioPart.makeAudio({
    model,
    signal,
    worklets: { capture: parts["capture.worklet.js"], player: parts["player.worklet.js"] },
    onLine: (/** @type {"capture" | "player"} */ side, /** @type {MessagePort | null} */ line) => road.attach(side, line),
    onLevel(/** @type {number} */ level) {
      state.level = level;
      changed();
    },
    onContext(/** @type {{ sampleRate: number, blocked: boolean }} */ { sampleRate, blocked }) {
      road.send({ kind: "audio", sample_rate: sampleRate, blocked }, true);
    },
    onCaptureEnded: (/** @type {string} */ reason) => failed("no_microphone", new Error(reason)),
  });

  const road = roadPart.openRoad({
    model,
    signal,
    onControl(/** @type {any} */ message) {
      if (message.kind === "state") state.text = message.text;
      else if (message.kind === "did_you_hear") Object.assign(state, { busy: "", question: true });
      else if (message.kind === "no_sound") Object.assign(state, { busy: "", error: message.text });
      else if (message.kind === "probe") probe(message.count, message.every_ms);
      else if (message.kind === "shared" && message.name === "error") state.error = message.value;
      changed();
    },
    onRoad(/** @type {string} */ name) {
      state.road = name;
      if (["direct", "proxy", "comm"].includes(name)) tellPage();
      changed();
    },
  });

  /** @type {any} */
  let uplink = null;
  async function findUplink() {
    const reference = String(model.get("_probe") ?? "").replace(/^IPY_MODEL_/, "");
    if (!reference || uplink) return;
    uplink = await model.widget_manager?.get_model(reference).catch(() => null);
    probe(1, 0);
  }
  model.on("change:_probe", findUplink);
  findUplink();

  /** Send widget messages: the first says that the page is there. @param {number} count @param {number} everyMs */
  function probe(count, everyMs) {
    if (!uplink || count < 1 || signal.aborted) return;
    uplink.send({ kind: "road", messages: [] });
    setTimeout(probe, everyMs, count - 1, everyMs);
  }

  async function tellPage() {
    const permission = await microphonePermission();
    if (permission) permission.onchange = tellPage;
    const policy = /** @type {any} */ (document).permissionsPolicy ?? /** @type {any} */ (document).featurePolicy;
    road.send(
      {
        kind: "page",
        ...application(),
        browser: browserName(),
        origin: location.origin,
        loopback: LOOPBACK.has(location.hostname),
        secure: window.isSecureContext && Boolean(navigator.mediaDevices),
        allowed: policy?.allowsFeature?.("microphone") ?? true,
        permission: permission?.state ?? "",
        ...(await devices()),
        ipywebrtc: await hasIpywebrtc(model),
      },
      true,
    );
  }

  /** @param {"no_microphone" | "no_speaker"} kind @param {any} error */
  function failed(kind, error) {
    const text = audioPart.inWords(error);
    Object.assign(state, { busy: "", level: 0, error: text });
    road.send({ kind, text }, true);
    changed();
  }

  /** @param {string} what @param {"no_microphone" | "no_speaker"} kind @param {() => Promise<void>} work */
  async function attempt(what, kind, work) {
    Object.assign(state, { busy: what, error: "", question: false });
    changed();
    try {
      await work();
    } catch (error) {
      failed(kind, error);
    }
  }

  function listen() {
    return attempt("microphone", "no_microphone", async () => {
      if (!(await audio.startCapture())) return;
      tellPage(); // The browser names more devices once the microphone is allowed.
      clearTimeout(timer);
      timer = setTimeout(() => {
        audio.stopCapture();
        Object.assign(state, { busy: "", level: 0 });
        changed();
      }, LISTEN_MS);
    });
  }

  function sound() {
    return attempt("speaker", "no_speaker", async () => {
      await audio.open();
      road.send({ kind: "tone" }, true);
    });
  }

  /** @param {boolean} yes */
  function answer(yes) {
    state.question = false;
    road.send({ kind: "heard", yes }, true);
    changed();
  }

  signal.addEventListener("abort", () => clearTimeout(timer));
  return {
    state,
    listen,
    sound,
    answer,
    finish: () => road.send({ kind: "finish" }, true),
    words: () => (["direct", "proxy", "comm"].includes(state.road) ? "" : roadPart.roadInWords(state.road, false)),
    /** @param {() => void} watch */
    watch: (watch) => (watchers.add(watch), () => watchers.delete(watch)),
  };
}

/** @param {any} engine @param {HTMLElement} el */
function show(engine, el) {
  el.classList.add("rtnb", "rtnb-doctor");
  el.innerHTML = `
    <div class="rtnb-row">
      <button type="button" class="rtnb-button rtnb-primary" data-role="microphone">Check microphone</button>
      <button type="button" class="rtnb-button rtnb-primary" data-role="speaker">Check speaker</button>
      <span class="rtnb-meter" role="img" aria-label="Microphone level"><span></span></span>
      <button type="button" class="rtnb-button" data-role="finish">Done</button>
    </div>
    <div class="rtnb-row rtnb-ask" data-role="question" role="group" aria-label="Did you hear the tone?" hidden>
      <span>Did you hear the tone?</span>
      <button type="button" class="rtnb-button" data-role="yes">Yes</button>
      <button type="button" class="rtnb-button" data-role="no">No</button>
    </div>
    <div class="rtnb-quiet" role="status" data-role="state"></div>
    <div class="rtnb-error" role="alert" hidden></div>`;
  const find = (/** @type {string} */ selector) => /** @type {any} */ (el.querySelector(selector));
  const by = (/** @type {string} */ role) => find(`[data-role=${role}]`);
  const bar = find(".rtnb-meter > span");
  const error = find(".rtnb-error");
  by("microphone").onclick = engine.listen;
  by("speaker").onclick = engine.sound;
  by("yes").onclick = () => engine.answer(true);
  by("no").onclick = () => engine.answer(false);
  by("finish").onclick = engine.finish;

  /** @type {Record<string, string>} */
  const doing = { microphone: "Listening for two seconds: say something.", speaker: "Playing a short tone." };
  function draw() {
    const { busy, level, question, text, error: problem } = engine.state;
    for (const role of ["microphone", "speaker"]) by(role).disabled = Boolean(busy);
    by("question").hidden = !question;
    bar.style.width = `${Math.min(100, Math.sqrt(level) * 140)}%`;
    const words = doing[busy] || engine.words() || text;
    if (by("state").textContent !== words) by("state").textContent = words;
    error.textContent = problem;
    error.hidden = !problem;
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
