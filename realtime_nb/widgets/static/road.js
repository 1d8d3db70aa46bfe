// @ts-check
// The page's part of the audio road: it chooses the way and handles the controls. The sound itself goes through
// carrier.worker.js; only the widget comm, which belongs to the page, is served from here.

/** @typedef {{ kind: string, [field: string]: any }} Control */
/** @typedef {"" | "direct" | "proxy" | "comm" | "none" | "taken" | "closed" | "gone"} RoadName "taken": another page
 *   has the sound, and this one watches; "gone": the kernel was restarted, or has died */
/** @typedef {{ others: number, person: string }} Company how many other pages there are, and the name of who is signed
 *   in where the sound is; empty if not known */

const TRY_MS = 2000;
const RETRY_MS = 3000;
const LOST_MS = 1500; // How long a lost road may take to be found again before the person is told.
const SETTLED_MS = 300; // A widget that is closed says so itself within this.
const BUNDLE_MS = 100;
const MAX_UNANSWERED = 20; // The kernel's handler answers twice a second while bundles arrive.
const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/**
 * The sockets to try, best first. A page that is not on loopback must not try its reader's own ports.
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

/**
 * Where the panel can have a separate tab: the kernel's port serves one, on the kernel's machine. `needed` says that
 * this page may not have the microphone. VS Code bars it in notebooks, and opens such links for people, through a
 * tunnel if need be.
 * @param {{ port: number, token: string }} door @param {Location | URL} page @param {boolean} barred
 * @returns {{ url: string, needed: boolean }} `url` is empty if the page cannot tell, or is one
 */
export function talkTab(door, page, barred) {
  const inVsCode = page.protocol === "vscode-webview:" || /\.vscode-(cdn|webview)\.net$/.test(page.hostname);
  const known = (LOOPBACK.has(page.hostname) || inVsCode) && !page.pathname.includes(door.token);
  return { url: known ? `http://127.0.0.1:${door.port}/${door.token}#talk` : "", needed: known && (barred || inVsCode) };
}

/** Tells this document's pages from those of others: one for each widget. */
const here = (/** @type {any} */ (globalThis)[Symbol.for("realtime-nb.document")] ??= newName());

function newName() {
  return Array.from(crypto.getRandomValues(new Uint32Array(3)), (part) => part.toString(36)).join("-");
}

/**
 * Return this page's name. A page that is reloaded goes on under the name that it leaves here when it goes; one that is
 * opened beside it gets a new one.
 * @param {string} key
 */
function nameOfPage(key) {
  try {
    const left = sessionStorage.getItem(key);
    sessionStorage.removeItem(key);
    return left || newName();
  } catch {
    return newName(); // Some frames have no storage.
  }
}

/** @param {string} key @param {string} name */
function leaveName(key, name) {
  try {
    sessionStorage.setItem(key, name);
  } catch {}
}

/** The name of who is signed in to Jupyter; empty if it has none. @param {string | null} baseUrl */
async function personHere(baseUrl) {
  if (baseUrl === null) return "";
  const answer = await fetch(`${baseUrl}api/me`).catch(() => null);
  const { identity } = (answer?.ok && (await answer.json().catch(() => null))) || {};
  return String(identity?.display_name ?? "");
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
 * Start the carrier: in a worker, or in the page if that may have none (a content security policy can forbid it).
 * @param {string} text the module @param {AbortSignal} signal @returns {MessagePort} to talk to it, from now on
 */
export function startCarrier(text, signal) {
  const { port1: page, port2: carrier } = new MessageChannel();
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  /** @type {Worker | null} */
  let worker = null;
  let settled = false;

  /** @param {() => void} hand takes the other end of the channel, with the messages sent so far */
  function settle(hand) {
    if (settled || signal.aborted) return;
    settled = true;
    hand();
  }
  function runHere() {
    worker?.terminate();
    import(url).then(({ carry }) => carry(carrier));
  }
  try {
    worker = new Worker(url, { type: "module" });
    worker.onmessage = () => settle(() => worker?.postMessage({ page: carrier }, [carrier]));
    worker.onerror = () => settle(runHere);
    setTimeout(() => settle(runHere), TRY_MS);
  } catch {
    settle(runHere);
  }
  signal.addEventListener("abort", () => {
    setTimeout(() => worker?.terminate(), TRY_MS); // Give it time to close its socket.
    URL.revokeObjectURL(url);
  });
  return page;
}

/**
 * Find a road and keep one open until `signal` aborts: direct, proxy, comm, each given two seconds, then again.
 *
 * @param {object} options
 * @param {any} options.model anywidget model with the traits `_door`, `_uplink` and `_parts`
 * @param {AbortSignal} options.signal
 * @param {(control: Control) => void} options.onControl
 * @param {(control: Control) => void} [options.onLook] like `onControl`, while another page has the sound
 * @param {(company: Company) => void} [options.onCompany] other pages came or went, or took the sound
 * @param {(road: RoadName, stalled: boolean) => void} options.onRoad which road is in use; `stalled`: the kernel is
 *   too busy to take what the comm sends it
 * @param {() => void} [options.onWanted] sound came, and no player is attached
 */
export function openRoad({ model, signal, onControl, onLook, onCompany, onRoad, onWanted }) {
  const carrier = startCarrier(model.get("_parts")["carrier.worker.js"], signal);
  /** @type {RoadName} */
  let road = "";
  /** The way to the kernel, in use or being tried. @type {"" | "direct" | "proxy" | "comm"} */
  let way = "";
  let me = "";
  let key = "";
  let holds = false; // This page has the sound.
  let takes = model.get("_takes") === true; // It was opened to talk in.
  let cameTwice = false; // See `_is_silent` in road.py.
  let told = false; // The kernel knows who is signed in here.
  let stalled = false;
  let gate = true;
  const greeted = new Set(); // The names of the values that the kernel has told this page.
  const chosen = /** @type {Map<string, unknown>} */ (new Map()); // By the person, before the kernel told its value.
  /** @type {(string | ArrayBuffer)[]} */
  let bundle = [];
  let bundleTimer = 0;
  let bundleSentMs = 0;
  let unanswered = 0;
  /** @type {((ok: boolean) => void) | null} */
  let trying = null;
  /** @type {any} */
  let uplink = null;

  carrier.onmessage = ({ data }) => {
    if ("control" in data) take(data.control);
    else if ("comm" in data) queue(data.comm, data.urgent);
    else if ("lost" in data) lost();
    else if ("wanted" in data) onWanted?.();
  };

  /** @param {RoadName} name */
  function setRoad(name, isStalled = false) {
    if (road === name && stalled === isStalled) return;
    if (name === "" || name === "taken") greeted.clear(); // It will be greeted anew.
    if (name === "taken") chosen.clear(); // Choices do not count there.
    road = name;
    stalled = isStalled;
    onRoad(road, stalled);
  }

  /** @param {Control} control */
  function take(control) {
    const looksOn = road === "taken";
    if (control.kind === "pages") takePages(/** @type {any} */ (control));
    else if (control.kind === "namesake") me = newName(); // Another page goes by this name; the socket closes.
    else if (control.kind === "closed") end();
    else if (control.kind === "shown") looksOn && onLook?.(control.control);
    else if (looksOn) onLook?.(control);
    else if (control.kind !== "shared" || !isOutdated(control.name)) onControl(control);
  }

  /** Return whether the person has chosen before the kernel told its value: then the kernel is told theirs.
   * @param {string} name */
  function isOutdated(name) {
    greeted.add(name);
    if (!chosen.has(name)) return false;
    send({ kind: "shared", name, value: chosen.get(name) }, true);
    chosen.delete(name);
    return true;
  }

  /** @param {{ pages: { [name: string]: string }, holder: string, person: string }} told */
  function takePages({ pages, holder, person }) {
    if (pages[me] !== way) return; // On the comm one also hears of the others.
    const others = Object.keys(pages).length - 1;
    if (holder !== me && pages[holder] === "comm" && !cameTwice) {
      cameTwice = true;
      setTimeout(() => road === "taken" && sayHello(), RETRY_MS);
    }
    if (holder === me && others && way === "comm") queue(JSON.stringify({ kind: "here" }), true);
    if (holder === me && others) tellPerson();
    onCompany?.({ others, person });
    holds = holder === me;
    if (trying) trying(true);
    else settle();
  }

  function settle() {
    takes = false;
    setRoad(holds ? way : "taken");
  }

  async function tellPerson() {
    if (told) return;
    told = true;
    const name = await personHere(jupyterBaseUrl());
    if (name) send({ kind: "person", name });
  }

  /** @param {boolean} [wants] whether this page shall have the sound, even if another one has it */
  const hello = (wants) => JSON.stringify({ kind: "hello", road: way, page: me, document: here, take: wants || takes });

  function sayHello(wants = false) {
    carrier.postMessage({ send: hello(wants), urgent: true });
  }

  /** @param {Control} control */
  function send(control, urgent = false) {
    carrier.postMessage({ send: JSON.stringify(control), urgent });
  }

  /** @param {(string | ArrayBuffer)[]} messages */
  function sendComm(messages) {
    if (!uplink || uplink.comm_live === false || !messages.length) return; // A dead comm throws.
    /** @type {ArrayBuffer[]} */
    const buffers = [];
    const listed = messages.map((m) => (typeof m === "string" ? m : buffers.push(m) - 1));
    uplink.send({ kind: "road", page: me, messages: listed }, undefined, buffers);
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

  /** On the comm there are ten bundles a second, unless one is urgent. @param {string | ArrayBuffer} data */
  function queue(data, urgent = false) {
    if (way !== "comm") return;
    bundle.push(data);
    if (urgent) sendBundle();
    else bundleTimer ||= setTimeout(sendBundle, Math.max(0, bundleSentMs + BUNDLE_MS - performance.now()));
  }

  /** @param {() => void} start @returns {Promise<boolean>} whether a welcome came in time */
  function welcomed(start) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => trying?.(false), TRY_MS);
      trying = (ok) => {
        clearTimeout(timer);
        trying = null;
        resolve(ok && !isOver());
      };
      start();
    });
  }

  function lost() {
    if (trying) return trying(false);
    if (road !== way && road !== "taken") return;
    setRoad("");
    setTimeout(() => road === "" && setRoad("none"), LOST_MS);
    search();
  }

  const isOver = () => signal.aborted || road === "gone";

  /** Stop looking for a kernel that was restarted: it will not know this conversation. */
  function giveUp() {
    if (uplink.comm_live || signal.aborted || road === "closed") return;
    way = "";
    setRoad("gone");
    carrier.postMessage({ close: true });
  }

  async function search() {
    let heard = false; // True if the kernel knew this page's origin when the sockets were tried.
    while (!isOver()) {
      // Behind a hub the server does not know this page's origin; it learns it over the comm, which it trusts.
      sendComm([JSON.stringify({ kind: "origin", origin: location.origin })]);
      const ways = socketRoads(model.get("_door"), location, jupyterBaseUrl());
      for (const { road: name, url } of ways) {
        way = name;
        if (await welcomed(() => carrier.postMessage({ open: { url, hello: hello() } }))) return settle();
        carrier.postMessage({ close: true });
        if (isOver()) return;
      }
      way = "comm";
      if (uplink && (await welcomed(() => sendComm([hello()])))) {
        if (heard || ways[0]?.road !== "proxy") return settle();
        // A kernel that was busy with a cell has read the origin only now, and refused a hub's page before.
        heard = true;
        continue;
      }
      if (isOver()) return;
      way = "";
      setRoad("none");
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      if (road !== "none") return;
    }
  }

  function end() {
    if (way === "comm") sendComm([JSON.stringify({ kind: "bye" })]);
    way = "";
    setRoad("closed");
    carrier.postMessage({ close: true });
  }

  function leavePage() {
    leaveName(key, me);
    if (way === "comm") sendComm([JSON.stringify({ kind: "bye" })]);
  }

  /** Come back to a page that the browser has kept. @param {PageTransitionEvent} event */
  function comeBack({ persisted }) {
    if (!persisted) return;
    nameOfPage(key);
    if (way === "comm") sayHello();
  }

  async function start() {
    const reference = String(model.get("_uplink") ?? "").replace(/^IPY_MODEL_/, "");
    uplink = await model.widget_manager?.get_model(reference).catch(() => null);
    if (signal.aborted) return;
    key = `realtime-nb.${reference}`;
    me = nameOfPage(key);
    window.addEventListener("pagehide", leavePage, { signal });
    window.addEventListener("pageshow", comeBack, { signal });
    uplink?.on("msg:custom", () => {
      unanswered = 0; // The kernel takes our bundles again.
      if (road === "comm") setRoad("comm");
    });
    // Jupyter's own page knows it first, and at once.
    uplink?.on("comm_live_update", () => setTimeout(giveUp, SETTLED_MS));
    model.on("msg:custom", (/** @type {any} */ content, /** @type {any[]} */ buffers) => {
      if (content.kind !== "road" || way !== "comm") return; // It may be for another page.
      for (const m of content.messages) {
        if (typeof m === "string") carrier.postMessage({ take: m });
        else if (content.to === me) carrier.postMessage({ take: copied(buffers[m]) });
      }
    });
    search();
  }

  signal.addEventListener("abort", () => {
    clearTimeout(bundleTimer);
    end();
  });
  start();

  return {
    send,
    /** Tell the kernel a value that either side may set. @param {string} name @param {unknown} value */
    share(name, value) {
      if (!greeted.has(name)) chosen.set(name, value);
      send({ kind: "shared", name, value }, true);
    },
    /** Send a binary message at once; its buffer is given away. @param {ArrayBuffer} data */
    sendBytes(data) {
      carrier.postMessage({ send: data, urgent: true }, [data]);
    },
    /** Connect a worklet's line to the road. @param {"capture" | "player"} side @param {MessagePort | null} line */
    attach(side, line) {
      carrier.postMessage({ [side]: line }, line ? [line] : []);
    },
    /** Let the microphone's frames go to the kernel, or drop them. @param {boolean} open */
    setGate(open) {
      if (open !== gate) carrier.postMessage({ gate: (gate = open) });
    },
    /** Silence the player, and let it tell the kernel how far it had played. */
    flush() {
      carrier.postMessage({ flush: true });
    },
    /** Take the sound from the page that has it now. */
    retake() {
      if (road === "taken") sayHello(true);
    },
  };
}

/** Comm buffers are views into a larger message. @param {DataView} view @returns {ArrayBuffer} */
function copied(view) {
  return /** @type {ArrayBuffer} */ (view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

/** Describe the road to the person. @param {RoadName} road @param {boolean} stalled @returns {string} */
export function roadInWords(road, stalled) {
  if (stalled) return "The kernel is busy: sound waits until its cell ends.";
  return {
    "": "Looking for the kernel…",
    direct: "Audio: direct socket",
    proxy: "Audio: socket through Jupyter's proxy",
    comm: "Audio: widget messages (slower)",
    none: "The kernel does not answer: it is busy or gone.",
    gone: "The kernel was restarted, or has stopped.",
    taken: "In use in another window.",
    closed: "Closed.",
  }[road];
}
