// @ts-check
// The panel for talking with a voice model. Its engine, which belongs to the model, keeps the state and talks with the
// kernel and the audio threads. Views only show it: face.js, and one module for each part of a view.

/** @typedef {import("./transcript.js").Row} Row */

/** @typedef {{ spent: string, spent_share: number | null, minutes: number, max_minutes: number | null, cached: string,
 *   at: number }} Account what was used; `at` is when the page was told */

/** @typedef {{ asked: string, answer: string, cost: string }} Aside an answer that is not part of the conversation */

const UNSEEN_MS = 2000;
const TAIL_MS = 120; // The microphone's own delay: the last word is still on its way when the button is released.

/** @param {string} text @returns {Promise<any>} */
function load(text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  return import(url).finally(() => URL.revokeObjectURL(url));
}

function newState() {
  return {
    road: "",
    company: { others: 0, person: "" },
    alone: false, // In a separate page, without a notebook.
    stalled: false,
    session: "closed",
    message: "",
    waiting: "",
    account: /** @type {Account} */ ({ spent: "", spent_share: null, minutes: 0, max_minutes: null, cached: "", at: 0 }),
    phase: "idle",
    about: { backend: "", model: "", voice: "", parts: /** @type {{ [job: string]: string }} */ ({}), brain: "" },
    hands_free: true,
    half_duplex: false,
    yields: true,
    muted: false,
    error: "",
    notice: "",
    fix: "", // The setting that a click on the notice switches on.
    remarks: /** @type {string[]} */ ([]),
    aside: /** @type {Aside | null} */ (null),
    reloaded: false,
    held: false,
    capturing: false,
    playing: false,
    paused: false,
    blocked: false,
    levelIn: 0,
    levelOut: 0,
    ended: false,
    running: /** @type {string[]} */ ([]),
    asks: /** @type {import("./asks.js").Ask[]} */ ([]),
    guide: /** @type {import("./guide.js").Guide} */ ({ instructions: "", tools: [] }),
    settings: /** @type {import("./settings.js").Settings} */ ({
      ...{ voice: "", voices: [], model: "", models: [] },
      detection: null,
    }),
    devices: { microphone: "", speaker: "", volume: 1 },
    found: /** @type {import("./settings.js").Found} */ ({ microphones: [], speakers: [] }),
    hasSource: false, // A stream that Python gave takes the place of the microphone.
    seeing: /** @type {import("./seeing.js").Seeing} */ ({ taking: false, watching: false, every_s: 2, told: "" }),
    order: /** @type {string[]} */ ([]),
    rows: /** @type {Map<string, Row>} */ (new Map()),
    changing: /** @type {Set<string>} */ (new Set()),
  };
}
/** @typedef {ReturnType<typeof newState>} State */

/** Return whether there is something to stop. @param {State} state */
function isBusy(state) {
  return state.playing || state.phase === "thinking" || state.running.length > 0 || state.asks.length > 0;
}

/** @param {any} model @param {AbortSignal} signal */
async function makeEngine(model, signal) {
  const parts = model.get("_parts");
  const names = ["road", "audio", "scope", "asks", "transcript", "seeing", "guide", "record", "settings", "inspector", "face"];
  const [roadPart, audioPart, scopePart, asksPart, transcriptPart, seeingPart, guidePart, recordPart, settingsPart, inspectorPart, face] =
    await Promise.all(names.map((name) => load(parts[`${name}.js`])));
  const state = newState();
  state.about = model.get("_about");
  state.alone = model.get("_takes") !== undefined;
  Object.assign(state, { devices: settingsPart.rememberedDevices(), hasSource: Boolean(model.get("stream")) });
  state.reloaded = model.get("_pages") > 0;
  model.set("_pages", model.get("_pages") + 1);
  model.save_changes();
  const watchers = new Set();
  const staleInViews = /** @type {Set<Set<string>>} */ (new Set()); // For each view, the turns that it has to redraw.
  let scheduled = 0;
  let sending = false; // While the button is held, and during its tail.
  let press = 0; // Cancels the tail of a button that is pressed again within it.
  let heldSince = 0;
  let returning = false; // Whether to open the microphone again once there is another connection.
  let inspectors = 0; // Views that show the events.

  /** Update the views about fifteen times a second; meters need no more, and the page has sound to carry. */
  function changed() {
    road.setGate(state.session === "open" && (state.hands_free || sending));
    audio.setRules({ yields: state.hands_free && state.yields, halfDuplex: state.hands_free && state.half_duplex });
    scheduled ||= setTimeout(() => {
      scheduled = 0;
      watchers.forEach((watch) => watch());
    }, 60);
  }

  const audio = audioPart.makeAudio({
    model,
    signal,
    worklets: {
      floor: parts["floor.worklet.js"],
      capture: parts["capture.worklet.js"],
      player: parts["player.worklet.js"],
    },
    onLine: (/** @type {"capture" | "player"} */ side, /** @type {MessagePort | null} */ line) => road.attach(side, line),
    onLevel(/** @type {number} */ level) {
      state.levelIn = level;
      changed();
    },
    onCaptureEnded(/** @type {string} */ reason) {
      Object.assign(state, { capturing: false, levelIn: 0 });
      problem(reason);
    },
    onReport(/** @type {any} */ report) {
      const playing = report.playing !== null;
      Object.assign(state, { playing, paused: report.held, levelOut: playing ? report.level : 0 });
      changed();
    },
    onBegan: (/** @type {any} */ began) => road.send(began),
    onFlushed() {
      Object.assign(state, { playing: false, levelOut: 0 });
      changed();
    },
    onContext(/** @type {{ sampleRate: number, blocked: boolean }} */ { sampleRate, blocked }) {
      state.blocked = blocked;
      road.send({ kind: "audio", sample_rate: sampleRate, blocked }, true);
      changed();
    },
  });

  /** @param {any} message */
  function takeControl(message) {
    take(message);
    changed();
  }

  const road = roadPart.openRoad({
    model,
    signal,
    onControl: takeControl,
    onLook: takeControl,
    onCompany(/** @type {State["company"]} */ company) {
      state.company = company;
      changed();
    },
    onRoad(/** @type {string} */ name, /** @type {boolean} */ stalled) {
      if (["taken", "closed", "gone"].includes(name)) stopAudio();
      if (name === "gone") state.session = "closed";
      if (name !== state.road) {
        audio.tell(); // A kernel that greets us again must know that we can play,
        if (inspectors) road.send({ kind: "inspect", on: true }, true); // and that we look.
      }
      audio.setRoad(name);
      Object.assign(state, { road: name, stalled });
      changed();
    },
    onWanted: () => audio.open().catch(fail),
  });
  const events = inspectorPart.makeEvents((/** @type {object} */ message) => road.send(message, true));
  road.setGate(false);
  signal.addEventListener("abort", stopAudio);
  recordPart.follow(signal);
  const findAgain = settingsPart.findDevices((/** @type {State["found"]} */ found) => {
    state.found = found;
    useDevices();
    changed();
  }, signal);

  /** Use the chosen devices; a loudspeaker that is not there, or not allowed yet, is the system's. */
  async function useDevices() {
    const { devices, found } = state;
    const isThere = found.speakers.some(({ deviceId }) => deviceId === devices.speaker);
    try {
      state.capturing = await audio.setDevices({ ...devices, speaker: isThere ? devices.speaker : "" });
    } catch (error) {
      state.capturing = false;
      fail(error);
    }
    changed();
  }

  /** @param {any} message */
  function take(message) {
    switch (message.kind) {
      case "session":
        takeSession(message);
        break;
      case "turns":
        takeTurns(message);
        break;
      case "changed":
        state.changing.delete(message.id);
        redraw([message.id]);
        break;
      case "account":
        state.account = { ...message, at: performance.now() };
        break;
      case "tools":
        Object.assign(state, { running: message.running, asks: message.asks });
        break;
      case "guide":
        state.guide = message;
        break;
      case "settings":
        state.settings = message;
        break;
      case "camera":
        state.seeing = message;
        break;
      case "shared":
        set(message.name, message.value);
        break;
      case "notice":
        Object.assign(state, { notice: message.text, fix: message.fix ?? "" });
        break;
      case "remarks":
        state.remarks = message.texts;
        break;
      case "aside":
        state.aside = message.asked ? message : null;
        break;
      case "ended":
        state.ended = true;
        stopAudio();
        break;
      default:
        events.take(message);
    }
  }

  /** @param {any} message */
  function takeSession({ state: session, message, waiting, phase, yields, backend, model: name, voice, parts, brain }) {
    if (session === "closed" && state.session !== "closed") stopAudio();
    if (session === "closed" && state.fix === "reconnect") Object.assign(state, { notice: "", fix: "" });
    if (session === "open" && returning) openMicrophone();
    if (session === "open" || message) returning = false;
    const about = { backend, model: name, voice, parts, brain };
    Object.assign(state, { session, message, waiting, phase, yields, about });
  }

  /** Take new and changed rows from the kernel, and put them in order.
   * @param {{ from_start: boolean, at: number, gone: number, ids: string[], rows: Row[] }} turns */
  function takeTurns({ from_start, at, gone, ids, rows }) {
    if (from_start) Object.assign(state, { order: [], rows: new Map() });
    if (gone || ids.length) {
      const there = new Set(ids);
      for (const id of state.order.slice(at, at + gone)) there.has(id) || state.rows.delete(id);
      state.order = [...state.order.slice(0, at), ...ids, ...state.order.slice(at + gone)];
    }
    for (const row of rows) state.rows.set(row.id, row);
    redraw(rows.map(({ id }) => id));
  }

  /** @param {string[]} ids turns that have changed since the views drew them */
  function redraw(ids) {
    for (const stale of staleInViews) ids.forEach((id) => stale.add(id));
  }

  /** @param {"hands_free" | "half_duplex" | "muted" | "error"} name @param {any} value */
  function share(name, value) {
    set(name, value);
    road.share(name, value);
    changed();
  }

  /** @param {string} name @param {any} value */
  function set(name, value) {
    /** @type {any} */ (state)[name] = value;
    if (name === "muted") audio.setMuted(value);
  }

  /** @param {string} text */
  function problem(text) {
    state.error = text;
    road.send({ kind: "problem", text }, true);
    changed();
  }

  /** @param {string} id @param {string} text @param {boolean} again whether to ask it again, too */
  function edit(id, text, again) {
    if (again && state.playing) road.flush();
    change(id, { kind: "edit", text, again });
  }

  /** @param {string} id */
  function takeOut(id) {
    change(id, { kind: "delete" });
  }

  /** @param {string} id @param {object} message */
  function change(id, message) {
    share("error", "");
    state.changing.add(id);
    redraw([id]);
    road.send({ ...message, id }, true);
    changed();
  }

  /** @param {string} id */
  function rerun(id) {
    share("error", "");
    if (state.playing) road.flush();
    road.send({ kind: "rerun", id }, true);
  }

  const fail = (/** @type {any} */ error) => problem(audioPart.inWords(error));

  function stopAudio() {
    letGo();
    audio.close();
    road.send({ kind: "silent" }, true);
    Object.assign(state, { capturing: false, playing: false, blocked: false, levelIn: 0, levelOut: 0 });
  }

  function leave() {
    stopAudio();
    if (state.seeing.watching) road.send({ kind: "watch", on: false }, true);
  }

  async function openMicrophone() {
    try {
      state.capturing = await audio.startCapture();
      findAgain(); // Now they have names.
    } catch (error) {
      fail(error);
    }
    changed();
  }

  function letGo() {
    if (!state.held) return;
    state.held = false;
    const mine = ++press;
    const held_ms = performance.now() - heldSince;
    setTimeout(() => {
      if (press !== mine) return;
      sending = false;
      road.send({ kind: "release", held_ms }, true);
      changed();
    }, TAIL_MS);
    changed();
  }

  return {
    state,
    face,
    isBusy: () => isBusy(state),
    share,
    /** Take the sound from the page that has it; call this in a click handler. */
    retake() {
      road.retake();
      if (state.session === "open") openMicrophone();
    },
    talkTab() {
      const policy = /** @type {any} */ (document).permissionsPolicy ?? /** @type {any} */ (document).featurePolicy;
      const barred = policy?.allowsFeature?.("microphone") === false;
      return roadPart.talkTab(model.get("_door"), location, barred);
    },
    roadWords: () => roadPart.roadInWords(state.road, state.stalled),
    /** @param {() => void} watch called on every change, while a view shows the engine */
    watch(watch) {
      watchers.add(watch);
      return () => {
        watchers.delete(watch);
        // Jupyter removes a view to show it elsewhere; but a panel that no one sees must not listen or watch.
        setTimeout(() => watchers.size || leave(), UNSEEN_MS);
      };
    },
    /** Call this in a click handler: browsers let a page play sound only after a click. */
    connect() {
      share("error", "");
      state.notice = "";
      if (state.session === "closed") road.send({ kind: "connect" }, true);
      openMicrophone();
    },
    disconnect() {
      stopAudio();
      road.send({ kind: "disconnect" }, true);
      changed();
    },
    /** @param {string} text a key, which the kernel keeps in its memory and this page nowhere */
    useKey(text) {
      share("error", "");
      road.send({ kind: "key", text }, true);
    },
    end: () => road.send({ kind: "end" }, true),
    interrupt() {
      if (state.session !== "open" || !isBusy(state)) return;
      road.flush(); // At once in the page; the kernel follows as fast as it can.
      road.send({ kind: "interrupt" }, true);
    },
    /** @param {HTMLElement} host */
    inspect(host) {
      if (!inspectors++) road.send({ kind: "inspect", on: true }, true);
      const hide = inspectorPart.showEvents(events, host);
      return () => {
        hide();
        if (!--inspectors) road.send({ kind: "inspect", on: false }, true);
      };
    },
    /** @param {HTMLElement} host */
    showScope: (host) => scopePart.showScope(host, audio.taps),
    enableSound: () => audio.open().catch(fail),
    hold() {
      if (state.held || state.hands_free || state.session !== "open") return;
      if (!state.capturing) return openMicrophone();
      press += 1;
      Object.assign(state, { held: true, notice: "" });
      heldSince = performance.now();
      sending = true;
      if (state.playing) road.flush();
      road.send({ kind: "press" }, true);
      changed();
    },
    letGo,
    /** @param {HTMLElement} log @param {AbortSignal} viewSignal */
    makeTranscript(log, viewSignal) {
      const stale = /** @type {Set<string>} */ (new Set());
      staleInViews.add(stale);
      viewSignal.addEventListener("abort", () => staleInViews.delete(stale));
      return transcriptPart.makeTranscript(log, { edit, rerun, delete: takeOut }, stale);
    },
    /**
     * @param {HTMLElement} box @param {any} host @param {() => string} typed returns the typed text and clears it
     * @param {AbortSignal} viewSignal
     * @returns {((seeing: object, reached: boolean) => void) | null} null if the panel has no camera
     */
    makeSeeing(box, host, typed, viewSignal) {
      if (!model.get("camera")) return null;
      const reference = String(model.get("camera")).replace(/^IPY_MODEL_/, "anywidget:");
      const act = {
        show: () => road.send({ kind: "show_picture" }, true),
        ask() {
          audio.open().catch(fail);
          road.send({ kind: "ask_picture", text: typed() }, true);
        },
        /** @param {boolean} on */
        watch(on) {
          state.seeing = { ...state.seeing, watching: on };
          road.send({ kind: "watch", on }, true);
        },
      };
      return seeingPart.makeSeeing(box, act, async (/** @type {HTMLElement} */ el) =>
        (await host.getWidget(reference)).render({ el, signal: viewSignal }),
      );
    },
    /** @param {HTMLElement} box */
    makeGuide: (box) => guidePart.makeGuide(box, (/** @type {string} */ text) => road.send({ kind: "instruct", text }, true)),
    /** @param {HTMLElement} box */
    makeSettings: (box) =>
      settingsPart.makeSettings(box, {
        choose(/** @type {Partial<State["devices"]>} */ chosen) {
          state.devices = { ...state.devices, ...chosen };
          settingsPart.rememberDevices(state.devices);
          useDevices();
        },
        set: (/** @type {string} */ name, /** @type {string} */ value) => road.send({ kind: "choose", name, value }, true),
        detect: (/** @type {string} */ type, /** @type {string} */ eagerness) =>
          road.send({ kind: "detect", type, eagerness }, true),
      }),
    reconnect() {
      returning = state.capturing;
      road.send({ kind: "reconnect" }, true);
    },
    drawAsks: asksPart.drawAsks,
    /** @param {string} call_id @param {boolean} approved */
    decide(call_id, approved) {
      state.asks = state.asks.filter((ask) => ask.call_id !== call_id);
      road.send({ kind: "decide", call_id, approved }, true);
      changed();
    },
    /** @param {string} text */
    askAside(text) {
      share("error", "");
      state.aside = { asked: text, answer: "…", cost: "" };
      road.send({ kind: "aside", text }, true);
      changed();
    },
    dismiss: (/** @type {"aside" | "notice"} */ what) => {
      Object.assign(state, what === "aside" ? { aside: null } : { notice: "", reloaded: false });
      changed();
    },
    /** @param {string} text */
    say(text) {
      audio.open().catch(fail);
      if (state.playing) road.flush();
      road.send({ kind: "say", text }, true);
    },
  };
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
    /** @param {{ el: HTMLElement, host: any }} context */
    async render({ el, host }) {
      const made = await engine;
      return made.face.show(made, el, host);
    },
  };
};
