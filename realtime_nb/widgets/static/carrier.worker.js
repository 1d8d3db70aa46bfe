// @ts-check
// Carries sound between the socket and the audio threads, in a worker, so that a busy page does not hold it up. If the
// page may not have a worker, this module runs in the page itself. realtime_nb/widgets/road.py has a frame's layout.

/** @typedef {{ kind: number, seq: number, sampleRate: number, key: number, timeMs: number, last: boolean,
 *   live: boolean, samples: Int16Array }} Frame */
/** @typedef {{ kind: string, [field: string]: any }} Control */

export const FROM_MICROPHONE = 1;
const HEADER_BYTES = 24;

/** @param {Omit<Frame, "last" | "live">} frame @returns {ArrayBuffer} */
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
    last: (view.getUint8(1) & 1) !== 0,
    live: (view.getUint8(1) & 2) !== 0,
    seq: view.getUint32(4, true),
    sampleRate: view.getUint32(8, true),
    key: view.getUint32(12, true),
    timeMs: view.getFloat64(16, true),
    samples: new Int16Array(buffer, HEADER_BYTES),
  };
}

/**
 * Carry sound for one page until its port closes.
 *
 * The page sends `{ open: { url, hello } }`, `{ close }`, `{ capture: port }`, `{ player: port or null }`,
 * `{ gate: whether the microphone's frames go to the kernel }`, `{ send: text or picture, urgent }`, `{ flush }` and
 * `{ take: a message from the comm }`. It gets `{ control }` from the kernel, `{ lost }` of a socket,
 * `{ wanted }` when there is sound but no player, and, while no socket is open, `{ comm: text or frame, urgent }` to
 * send on the comm.
 *
 * @param {MessagePort} page
 */
export function carry(page) {
  /** @type {WebSocket | null} */
  let socket = null;
  /** @type {MessagePort | null} */
  let player = null;
  /** @type {Frame[]} */
  let early = []; // For a player that is still being made.
  let gate = true;
  let seq = 0;

  /** @param {string | ArrayBuffer} data */
  function send(data, urgent = false) {
    if (socket?.readyState === WebSocket.OPEN) socket.send(data);
    else page.postMessage({ comm: data, urgent }, data instanceof ArrayBuffer ? [data] : []);
  }

  /** @param {{ url: string, hello: string }} way */
  function open({ url, hello }) {
    close();
    const mine = (socket = new WebSocket(url));
    mine.binaryType = "arraybuffer";
    // A proxy accepts before it has reached the kernel, so only the kernel's answer to this counts.
    mine.onopen = () => mine.send(hello);
    mine.onmessage = ({ data }) => take(data);
    mine.onclose = () => {
      if (socket !== mine) return;
      socket = null;
      page.postMessage({ lost: true });
    };
  }

  function close() {
    const closing = socket;
    socket = null;
    if (!closing) return;
    closing.onopen = closing.onmessage = null;
    closing.close();
  }

  /** @param {string | ArrayBuffer} data a message from the kernel, on any road */
  function take(data) {
    if (typeof data !== "string") return play(unpackFrame(data));
    const control = JSON.parse(data);
    if (control.kind === "flush") flush();
    // Here and not in the page, whose own work would add to the road's time.
    else if (control.kind === "clock") send(JSON.stringify({ ...control, time_ms: Date.now() }), true);
    else page.postMessage({ control });
  }

  /** @param {Frame} frame */
  function play(frame) {
    const { key, samples, last, live } = frame;
    if (player) return player.postMessage({ key, samples, last, live }, [samples.buffer]);
    if (early.push(frame) === 1) page.postMessage({ wanted: true });
  }

  /** Silence the player at once; it then reports how far it had played. */
  function flush() {
    if (player) return player.postMessage({ flush: true });
    const positions = [...new Set(early.map(({ key }) => key))].map((key) => ({ key, samples: 0 }));
    early = [];
    send(JSON.stringify({ kind: "flushed", positions, time_ms: Date.now() }), true);
  }

  /** @param {MessagePort | null} port */
  function attachPlayer(port) {
    if (player) player.onmessage = null;
    player = port;
    if (!port) return;
    port.onmessage = ({ data }) => send(JSON.stringify(data), data.kind !== "played");
    for (const frame of early.splice(0)) play(frame);
  }

  /** @param {MessagePort} port */
  function attachCapture(port) {
    port.onmessage = ({ data }) => {
      if (!data.samples) send(JSON.stringify(data), true);
      else if (gate) send(packFrame({ kind: FROM_MICROPHONE, seq: seq++, key: 0, ...data }));
    };
  }

  page.onmessage = ({ data }) => {
    if ("send" in data) send(data.send, data.urgent);
    else if ("take" in data) take(data.take);
    else if ("flush" in data) flush();
    else if ("gate" in data) gate = data.gate;
    else if ("capture" in data) attachCapture(data.capture);
    else if ("player" in data) attachPlayer(data.player);
    else if ("open" in data) open(data.open);
    else if ("close" in data) close();
  };
}

if ("DedicatedWorkerGlobalScope" in globalThis) {
  addEventListener("message", ({ data }) => carry(data.page), { once: true });
  postMessage("ready");
}
