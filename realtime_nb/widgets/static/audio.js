// @ts-check
// One AudioContext with a microphone on one side and a speaker on the other. The widgets share this module; each
// model makes its own engine. Sound goes straight from the worklets to the carrier, not through here.

/** @typedef {{ key: number, samples: number }} Position */
/** @typedef {{ kind: string, key: number, audible: boolean, time_ms: number, latency_ms: number,
 *   latency_is_estimate: boolean }} Began an item's first sample, or its first audible one, was rendered; `latency_ms`
 *   is the time from there to the loudspeaker */
/** @typedef {{ playing: Position | null, finished: Position[], held: boolean, underruns: number, leftOut: number,
 *   holds: number, audible: number, level: number, timeMs: number }} Report what had been rendered at `timeMs` */
/** @typedef {{ yields: boolean, halfDuplex: boolean }} Rules whether a sound from the person pauses the answer, and
 *   whether the microphone is silent while it plays */

/** Where a separate `Scope` finds the taps of other widgets' engines: a module's text runs once for each widget, so
 * they share no variables. @type {Map<string, () => { capture?: AnalyserNode | null, player?: AnalyserNode | null }>} */
const tapsOfPage = (/** @type {any} */ (globalThis)[Symbol.for("realtime-nb.taps")] ??= new Map());

const WIRE_SAMPLE_RATE = 24000;
const FRAME_MS = 20;
// How much the device may buffer. "interactive" is 10 ms in Chromium: it renders two quanta at a time, so frames come
// 10 to 30 ms apart. With one at a time they come 16 to 21 ms apart, and the queue needs less in reserve.
const LATENCY_S = 0.005;
// How much of an item must be there before it starts: two frames, or the jitter of the comm's bundles.
const PREROLL_MS = 40;
const COMM_PREROLL_MS = 160;
// What stands for the latency to the loudspeaker where the browser may not be asked, or says 0 as WebKitGTK does. Firefox
// says 32 to 37 ms (PulseAudio), if asked while nothing plays.
const ASSUMED_LATENCY_MS = 35;
// Firefox asks its audio process for `outputLatency` and `getOutputTimestamp()`, and stops the page until it answers.
// While our worklet is busy no answer comes, and the tab hangs for ever. So they are never read there.
const mayAskLatency = !navigator.userAgent.includes("Firefox/");

/** An error in words for the person, with the way out. @param {any} error @returns {string} */
export function inWords(error) {
  switch (error?.name) {
    case "NotAllowedError":
    case "SecurityError":
      return allowedByFrame()
        ? "The browser does not allow the microphone here. Allow it beside the address bar, then try again."
        : "This notebook runs inside a frame that may not use the microphone. Open it in its own browser tab.";
    case "NotFoundError":
      return "No microphone was found. Plug one in and try again, or type your message.";
    case "NotReadableError":
      return "The microphone is in use by another program or switched off. Free it and try again.";
    case "OverconstrainedError":
      if (!error.constraint) return inWords({ name: "NotFoundError" }); // So WebKit calls a missing device.
      return `No microphone fits the constraint “${error.constraint}”.`;
    default:
      return error?.message || String(error);
  }
}

function allowedByFrame() {
  const policy = /** @type {any} */ (document).permissionsPolicy ?? /** @type {any} */ (document).featurePolicy;
  return policy?.allowsFeature?.("microphone") ?? true;
}

/** Why this page cannot have a microphone or worklets; empty if it can. @returns {string} */
export function insecure() {
  if (window.isSecureContext && navigator.mediaDevices) return "";
  return (
    `This page (${location.origin}) is not secure, so the browser gives it no audio. ` +
    "Open the notebook at http://localhost or over https."
  );
}

/**
 * Record for a while, in a page that a script reaches but no road does. Never fails.
 * @param {number} seconds @param {MediaTrackConstraints} constraints
 * @returns {Promise<{ pcm?: string, error?: string }>} PCM16 at 24 kHz, in base64; or why there is none
 */
export async function recordClip(seconds, constraints) {
  if (insecure()) return { error: insecure() };
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: constraints });
    const sound = await recorded(stream, seconds).finally(() => stream.getTracks().forEach((t) => t.stop()));
    const pcm = Int16Array.from(sound, (y) => Math.max(-32768, Math.min(32767, Math.round(y * 32768))));
    return { pcm: await inBase64(new Blob([pcm])) };
  } catch (error) {
    return { error: inWords(error) };
  }
}

/** @param {MediaStream} stream @param {number} seconds @returns {Promise<Float32Array>} samples at 24 kHz */
async function recorded(stream, seconds) {
  const recorder = new MediaRecorder(stream, { audioBitsPerSecond: 128_000 });
  /** @type {Blob[]} */
  const pieces = [];
  recorder.ondataavailable = ({ data }) => pieces.push(data);
  const stopped = new Promise((resolve) => (recorder.onstop = resolve));
  recorder.onstart = () => setTimeout(() => recorder.state === "inactive" || recorder.stop(), seconds * 1000);
  recorder.start();
  await stopped;
  const decoder = new OfflineAudioContext(1, 1, WIRE_SAMPLE_RATE);
  const sound = await decoder.decodeAudioData(await new Blob(pieces).arrayBuffer());
  return sound.getChannelData(0);
}

/** @param {Blob} blob @returns {Promise<string>} */
function inBase64(blob) {
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).split(",")[1]);
    reader.readAsDataURL(blob);
  });
}

/**
 * @param {object} options
 * @param {any} options.model anywidget model with `stream` (an ipywebrtc reference or null) and `constraints`
 * @param {AbortSignal} options.signal ends it
 * @param {{ capture?: string, player?: string, floor?: string }} options.worklets module texts; leave out the side that
 *   is not needed
 * @param {(side: "capture" | "player", line: MessagePort | null) => void} options.onLine the carrier's end of a
 *   worklet's line; null when the worklet is gone
 * @param {(level: number) => void} [options.onLevel] of the microphone, root mean square, 17 times a second
 * @param {() => void} [options.onCaptureStopped] after the last frame
 * @param {(report: Report) => void} [options.onReport] about ten times a second while playing
 * @param {() => void} [options.onFlushed]
 * @param {(began: Began) => void} [options.onBegan]
 * @param {(state: { sampleRate: number, blocked: boolean }) => void} [options.onContext]
 * @param {(reason: string) => void} [options.onCaptureEnded] the device went away by itself
 */
export function makeAudio(options) {
  const { model, worklets } = options;
  let prerollMs = PREROLL_MS;
  /** @type {AudioContext | null} */
  let context = null;
  /** @type {Promise<void> | null} */
  let modules = null;
  /** @type {AudioWorkletNode | null} */
  let player = null;
  /** @type {AnalyserNode | null} */
  let playerTap = null;
  /** @type {{ source: AudioNode, node: AudioWorkletNode, analyser: AnalyserNode, stream: MediaStream, own: boolean }
   *   | null} */
  let capture = null;
  /** @type {GainNode | null} */
  let gain = null;
  let devices = { microphone: "", speaker: "", volume: 1 };
  let attempt = 0; // Cancels a getUserMedia that answers after stop().
  let muted = false;
  /** @type {Rules} */
  let rules = { yields: false, halfDuplex: false };

  function tell() {
    if (!context) return;
    const blocked = context.state !== "running";
    // Any click or key press unblocks the sound, not only the one we ask for.
    for (const gesture of ["pointerup", "keyup"]) {
      if (blocked) window.addEventListener(gesture, resume, true);
      else window.removeEventListener(gesture, resume, true);
    }
    options.onContext?.({ sampleRate: context.sampleRate, blocked });
  }

  /** Make the context; call it in a click handler, so that the browser lets it play. @returns {Promise<void>} */
  function open(sampleRate = WIRE_SAMPLE_RATE) {
    if (context) return resume();
    if (insecure()) return Promise.reject(new Error(insecure()));
    const made = new AudioContext({ sampleRate: sampleRate || undefined, latencyHint: LATENCY_S });
    context = made;
    made.onstatechange = tell;
    steer(made);
    modules = Promise.all(Object.values(worklets).map((text) => addModule(made, text))).then(() => {
      if (worklets.player && context === made) player = makePlayer(made);
      tell();
    });
    return modules;
  }

  /** @param {AudioContext} made */
  function makePlayer(made) {
    const node = makeNode(made, "player", {
      numberOfInputs: 0,
      outputChannelCount: [1],
      processorOptions: { prerollMs },
    });
    node.port.onmessage = ({ data }) => {
      if (data.kind === "flushed") options.onFlushed?.();
      else if (data.kind === "began") options.onBegan?.({ ...data, ...latency() });
      else options.onReport?.(data);
    };
    gain = new GainNode(made, { gain: devices.volume });
    node.connect(gain).connect(made.destination);
    playerTap = makeTap(node);
    return node;
  }

  /** Play to the chosen loudspeaker, if this browser can; one that is gone leaves the sound where it is.
   * @param {any} made an AudioContext */
  function steer(made) {
    if (made.setSinkId && made.sinkId !== devices.speaker) made.setSinkId(devices.speaker).catch(() => {});
  }

  /** @param {AudioContext} made @param {"capture" | "player"} side @param {AudioWorkletNodeOptions} nodeOptions */
  function makeNode(made, side, nodeOptions) {
    const node = new AudioWorkletNode(made, `realtime-nb-${side}`, nodeOptions);
    const { port1: line, port2: far } = new MessageChannel();
    node.port.postMessage({ line }, [line]); // A port cannot be among the options: they are cloned.
    options.onLine(side, far);
    return node;
  }

  /** From rendering to the loudspeaker. @returns {{ latency_ms: number, latency_is_estimate: boolean }} */
  function latency() {
    const told = mayAskLatency ? context?.outputLatency : 0;
    return context && told
      ? { latency_ms: 1000 * (context.baseLatency + told), latency_is_estimate: false }
      : { latency_ms: ASSUMED_LATENCY_MS, latency_is_estimate: true };
  }

  async function resume() {
    await modules;
    // Without a click the promise stays pending, so do not await it; `onstatechange` tells.
    if (context?.state !== "running") context?.resume().catch(() => {});
  }

  /** @returns {Promise<{ stream: MediaStream, own: boolean }>} */
  async function openStream() {
    const reference = model.get("stream");
    if (reference) {
      const source = await model.widget_manager.get_model(String(reference).replace(/^IPY_MODEL_/, ""));
      return { stream: await (source.captureStream ? source.captureStream() : source.stream), own: false };
    }
    const constraints = model.get("constraints");
    const open = (/** @type {object} */ audio) => navigator.mediaDevices.getUserMedia({ audio });
    if (!devices.microphone) return { stream: await open(constraints), own: true };
    // Not `ideal`: Chromium 156 then takes the system's own, as soon as there are other constraints.
    const chosen = open({ ...constraints, deviceId: { exact: devices.microphone } });
    const stream = await chosen.catch((error) => {
      if (error.name !== "OverconstrainedError" && error.name !== "NotFoundError") throw error;
      return open(constraints); // It is gone.
    });
    return { stream, own: true };
  }

  /** @param {MediaStream} stream */
  function tap(stream) {
    const made = /** @type {AudioContext} */ (context);
    const source = made.createMediaStreamSource(stream);
    const frameSamples = Math.round((made.sampleRate * FRAME_MS) / 1000);
    const node = makeNode(made, "capture", { numberOfOutputs: 0, processorOptions: { frameSamples } });
    node.port.postMessage({ muted, floor: rules });
    node.port.onmessage = ({ data }) => {
      if (data.stopped) options.onCaptureStopped?.();
      else options.onLevel?.(data.level);
    };
    source.connect(node);
    return { source, node, analyser: makeTap(source) };
  }

  /** Make an analyser to draw from; it is free until read. @param {AudioNode} node @returns {AnalyserNode} */
  function makeTap(node) {
    const analyser = new AnalyserNode(node.context, { fftSize: 2048, smoothingTimeConstant: 0 });
    node.connect(analyser);
    return analyser;
  }

  /** @returns {{ capture?: AnalyserNode | null, player?: AnalyserNode | null }} */
  function taps() {
    return {
      ...(worklets.capture ? { capture: muted ? null : (capture?.analyser ?? null) } : {}),
      ...(worklets.player ? { player: playerTap } : {}),
    };
  }

  /** @returns {Promise<boolean>} whether it runs; false if stop() came first */
  async function startCapture() {
    const mine = ++attempt;
    await open();
    const { stream, own } = await openStream();
    const [track] = stream.getAudioTracks();
    const drop = () => own && stream.getTracks().forEach((t) => t.stop());
    if (mine !== attempt) return drop(), false;
    if (!track) throw new Error("The stream has no sound track. Give it one: constraints={'audio': True}.");
    let tapped;
    try {
      tapped = tap(stream);
    } catch (error) {
      if (/** @type {any} */ (error).name !== "NotSupportedError") throw drop(), error;
      // This browser does not resample a microphone into a 24 kHz context: use its own rate and say so.
      await close({ keepAttempt: true });
      await open(0);
      tapped = tap(stream);
    }
    capture = { ...tapped, stream, own };
    track.onended = () => {
      if (capture?.stream !== stream) return;
      stopCapture();
      options.onCaptureEnded?.("The microphone was unplugged or is no longer available.");
    };
    resume();
    return true;
  }

  function stopCapture() {
    attempt += 1;
    if (!capture) return;
    const { source, node, stream, own } = capture;
    capture = null;
    node.port.postMessage({ stop: true });
    source.disconnect();
    if (own) stream.getTracks().forEach((t) => t.stop());
  }

  /** @param {{ keepAttempt?: boolean }} [how] */
  async function close({ keepAttempt = false } = {}) {
    if (!keepAttempt) stopCapture();
    if (player) options.onLine("player", null);
    const closing = context;
    context = player = playerTap = gain = modules = null;
    for (const gesture of ["pointerup", "keyup"]) window.removeEventListener(gesture, resume, true);
    if (closing) closing.onstatechange = null;
    await closing?.close().catch(() => {});
  }

  const { token } = model.get("_door");
  tapsOfPage.set(token, taps);
  options.signal.addEventListener("abort", () => {
    tapsOfPage.delete(token);
    close();
  });

  return {
    open,
    resume,
    taps,
    tell,
    startCapture,
    stopCapture,
    close,
    /** @param {boolean} value */
    setMuted(value) {
      muted = value;
      capture?.node.port.postMessage({ muted });
    },
    /** Use other devices, at once; empty ids are the system's. @param {typeof devices} chosen
     * @returns {Promise<boolean>} whether the microphone is open */
    async setDevices(chosen) {
      const isOther = chosen.microphone !== devices.microphone;
      devices = chosen;
      if (context) steer(context);
      if (gain) gain.gain.value = chosen.volume;
      if (!isOther || !capture?.own) return capture !== null;
      stopCapture();
      return startCapture();
    },
    /** @param {Rules} asked needs the worklet `floor` */
    setRules(asked) {
      if (asked.yields === rules.yields && asked.halfDuplex === rules.halfDuplex) return;
      rules = asked;
      capture?.node.port.postMessage({ floor: rules });
    },
    /** Set the road that the sound takes. @param {string} road */
    setRoad(road) {
      prerollMs = road === "comm" ? COMM_PREROLL_MS : PREROLL_MS;
      player?.port.postMessage({ prerollMs });
    },
    get capturing() {
      return capture !== null;
    },
    get blocked() {
      return context !== null && context.state !== "running";
    },
  };
}

/** @param {AudioContext} context @param {string} text */
async function addModule(context, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  await context.audioWorklet.addModule(url).finally(() => URL.revokeObjectURL(url));
}
