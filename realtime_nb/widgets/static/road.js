// @ts-check
// The browser's end of the audio road; realtime_nb/bridge.py has the other end and the layout of a frame.

/** @typedef {{ kind: number, seq: number, sampleRate: number, key: number, timeMs: number, last: boolean,
 *   samples: Int16Array }} Frame */
/** @typedef {{ kind: string, [field: string]: any }} Control */
/** @typedef {"" | "direct" | "proxy" | "comm" | "none" | "taken" | "closed"} RoadName */

export const FROM_MICROPHONE = 1;
export const FOR_SPEAKER = 2;
const HEADER_BYTES = 24;
const TRY_MS = 2000;
const RETRY_MS = 3000;
const BUNDLE_MS = 100;
const MAX_UNANSWERED = 20; // The kernel's handler answers twice a second while bundles arrive.
const SUPERSEDED = 4001;
const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** @param {Omit<Frame, "last">} frame @returns {ArrayBuffer} */
export function packFrame(frame) {
  const buffer = new ArrayBuffer(HEADER_BYTES + frame.samples.byteLength);
  const view = new DataView(buffer);
  view.setUint8(0, frame.kind);
  view.setUint32(4, frame.seq, true);
  view.setUint32(8, frame.sampleRate, true);
  view.setUint32(12, frame.key, true);
  view.setFloat64(16, frame.timeMs, true);
  new Int16Array(buffer, HEADER_BYTES).set(frame.samples);
  return buffer;
}

/** @param {ArrayBuffer} buffer @returns {Frame} */
export function unpackFrame(buffer) {
  const view = new DataView(buffer);
  return {
    kind: view.getUint8(0),
    last: view.getUint8(1) === 1,
    seq: view.getUint32(4, true),
    sampleRate: view.getUint32(8, true),
    key: view.getUint32(12, true),
    timeMs: view.getFloat64(16, true),
    samples: new Int16Array(buffer, HEADER_BYTES),
  };
}

/**
 * The sockets to try, best first. A page that is not on loopback must not knock on its reader's own ports.
 * @param {{ port: number, token: string }} door @param {Location | URL} page @param {string | null} baseUrl
 * @returns {{ road: "direct" | "proxy", url: string }[]}
 */
export function socketRoads(door, page, baseUrl) {
  /** @type {{ road: "direct" | "proxy", url: string }[]} */
  const roads = [];
  if (LOOPBACK.has(page.hostname)) roads.push({ road: "direct", url: `ws://127.0.0.1:${door.port}/${door.token}` });
  if (baseUrl !== null) {
    const scheme = page.protocol === "https:" ? "wss:" : "ws:";
    roads.push({ road: "proxy", url: `${scheme}//${page.host}${baseUrl}proxy/${door.port}/${door.token}` });
  }
  return roads;
}

/** Jupyter's base URL, as Lab, Notebook and Voila write it into the page. @returns {string | null} */
function jupyterBaseUrl() {
  const config = document.getElementById("jupyter-config-data")?.textContent;
  const fromBody = document.body?.dataset?.baseUrl;
  try {
    return (config && JSON.parse(config).baseUrl) || fromBody || null;
  } catch {
    return fromBody || null;
  }
}

/**
 * Find a road and keep one open until `signal` aborts: direct, proxy, comm, each given two seconds, then again.
 *
 * @param {object} options
 * @param {any} options.model anywidget model with the traits `_door` and `_uplink`
 * @param {AbortSignal} options.signal
 * @param {(message: Frame | Control) => void} options.onMessage
 * @param {(road: RoadName, stalled: boolean) => void} options.onRoad which road is in use; `stalled`: the kernel is
 *   too busy to take what the comm sends it
 */
export function openRoad({ model, signal, onMessage, onRoad }) {
  /** @type {WebSocket | null} */
  let socket = null;
  /** @type {RoadName} */
  let road = "";
  let stalled = false;
  /** @type {(string | ArrayBuffer)[]} */
  let bundle = [];
  let bundleTimer = 0;
  let bundleSentMs = 0;
  let unanswered = 0;
  /** @type {(() => void) | null} */
  let welcomed = null;
  /** @type {any} */
  let uplink = null;

  /** @param {RoadName} name */
  function setRoad(name, isStalled = false) {
    if (road === name && stalled === isStalled) return;
    road = name;
    stalled = isStalled;
    onRoad(road, stalled);
  }

  /** @param {string | ArrayBuffer} data */
  function take(data) {
    const message = typeof data === "string" ? JSON.parse(data) : unpackFrame(data);
    if (message.kind === "welcome") return welcomed?.();
    if (message.kind === "closed") return end("closed");
    onMessage(message);
  }

  /** @param {(string | ArrayBuffer)[]} messages */
  function sendComm(messages) {
    if (!uplink || !messages.length) return;
    /** @type {ArrayBuffer[]} */
    const buffers = [];
    const listed = messages.map((m) => (typeof m === "string" ? m : buffers.push(m) - 1));
    uplink.send({ kind: "road", messages: listed }, undefined, buffers);
    unanswered += 1;
    if (road === "comm") setRoad("comm", unanswered > MAX_UNANSWERED);
  }

  function sendBundle() {
    clearTimeout(bundleTimer);
    bundleTimer = 0;
    bundleSentMs = performance.now();
    const messages = bundle;
    bundle = [];
    sendComm(messages);
  }

  /** @param {() => void} start @param {number} ms @returns {Promise<boolean>} whether a welcome came in time */
  function welcomeWithin(start, ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), ms);
      welcomed = () => (clearTimeout(timer), resolve(true));
      start();
    });
  }

  /** @param {{ road: "direct" | "proxy", url: string }} way @returns {Promise<boolean>} */
  async function trySocket(way) {
    const attempt = new WebSocket(way.url);
    attempt.binaryType = "arraybuffer";
    /** @type {Promise<boolean>} */
    const failed = new Promise((resolve) => (attempt.onerror = attempt.onclose = () => resolve(false)));
    const ok = await Promise.race([
      failed,
      welcomeWithin(() => {
        attempt.onmessage = ({ data }) => take(data);
        // A proxy accepts before it has reached the kernel, so only the kernel's welcome counts.
        attempt.onopen = () => attempt.send(JSON.stringify({ kind: "hello", road: way.road }));
      }, TRY_MS),
    ]);
    attempt.onerror = attempt.onopen = null;
    if (!ok || signal.aborted) {
      attempt.onclose = attempt.onmessage = null;
      attempt.close();
      return false;
    }
    socket = attempt;
    attempt.onclose = ({ code }) => {
      if (socket !== attempt) return;
      socket = null;
      if (code === SUPERSEDED) return end("taken");
      if (signal.aborted || road === "closed") return;
      setRoad("");
      search();
    };
    setRoad(way.road);
    return true;
  }

  async function tryComm() {
    if (!uplink) return false;
    const ok = await welcomeWithin(() => sendComm([JSON.stringify({ kind: "hello", road: "comm" })]), TRY_MS);
    if (ok && !signal.aborted) setRoad("comm");
    return ok;
  }

  async function search() {
    while (!signal.aborted) {
      // Behind a hub the door does not know this page's origin; the comm is what it trusts to tell it.
      sendComm([JSON.stringify({ kind: "origin", origin: location.origin })]);
      for (const way of socketRoads(model.get("_door"), location, jupyterBaseUrl())) {
        if ((await trySocket(way)) || signal.aborted) return;
      }
      if ((await tryComm()) || signal.aborted) return;
      setRoad("none");
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      if (road !== "none") return;
    }
  }

  /** @param {"taken" | "closed"} why */
  function end(why) {
    setRoad(why);
    socket?.close();
    socket = null;
  }

  async function start() {
    const reference = String(model.get("_uplink") ?? "").replace(/^IPY_MODEL_/, "");
    uplink = await model.widget_manager?.get_model(reference).catch(() => null);
    if (signal.aborted) return;
    uplink?.on("msg:custom", () => {
      unanswered = 0; // The kernel takes our bundles again.
      if (road === "comm") setRoad("comm");
    });
    model.on("msg:custom", (/** @type {any} */ content, /** @type {any[]} */ buffers) => {
      if (content.kind !== "road") return;
      for (const m of content.messages) take(typeof m === "string" ? m : copied(buffers[m]));
    });
    search();
  }

  signal.addEventListener("abort", () => {
    clearTimeout(bundleTimer);
    end("closed");
  });
  start();

  return {
    /** Send a frame or a control. On the comm there are ten bundles a second, unless it is urgent.
     * @param {ArrayBuffer | Control} message */
    send(message, urgent = false) {
      const data = message instanceof ArrayBuffer ? message : JSON.stringify(message);
      if (socket) return socket.send(data);
      if (road !== "comm") return;
      bundle.push(data);
      if (urgent) sendBundle();
      else bundleTimer ||= setTimeout(sendBundle, Math.max(0, bundleSentMs + BUNDLE_MS - performance.now()));
    },
    /** Take the road back from the window that has it now. */
    retake() {
      if (road === "taken") search();
    },
  };
}

/** Comm buffers are views into a larger message. @param {DataView} view @returns {ArrayBuffer} */
function copied(view) {
  return /** @type {ArrayBuffer} */ (view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

/** The road for the person to read. @param {RoadName} road @param {boolean} stalled @returns {string} */
export function roadInWords(road, stalled) {
  if (stalled) return "The kernel is busy: sound waits until its cell ends.";
  return {
    "": "Looking for the kernel…",
    direct: "Audio: direct socket",
    proxy: "Audio: socket through Jupyter's proxy",
    comm: "Audio: widget messages (slower)",
    none: "The kernel does not answer: it is busy or gone.",
    taken: "In use in another window.",
    closed: "Closed.",
  }[road];
}
