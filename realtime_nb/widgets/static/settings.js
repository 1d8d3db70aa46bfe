// @ts-check
// What the person chooses: microphone, loudspeaker and volume, which this browser remembers; voice, model and the end of
// turns, which the session has. Names of devices are untrusted text, which reaches the page only as text.

/** @typedef {{ voice: string, voices: string[], model: string, models: string[],
 *   detection: { type: string, eagerness?: string } | null }} Settings the session's */
/** @typedef {{ microphone: string, speaker: string, volume: number }} Devices ids, empty for the system's own; the volume
 *   is 0 to 1 */
/** @typedef {{ microphones: MediaDeviceInfo[], speakers: MediaDeviceInfo[] }} Found */

const KEY = "realtime-nb.devices";
const SYSTEM = new Set(["", "default", "communications"]); // Chromium lists these beside the devices that they stand for.

/** @returns {Devices} what was chosen in this browser before */
export function rememberedDevices() {
  try {
    const { microphone, speaker, volume } = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return { microphone: String(microphone ?? ""), speaker: String(speaker ?? ""), volume: Number(volume ?? 1) || 0 };
  } catch {
    return { microphone: "", speaker: "", volume: 1 }; // A frame may be refused its storage.
  }
}

/** @param {Devices} devices */
export function rememberDevices(devices) {
  try {
    localStorage.setItem(KEY, JSON.stringify(devices));
  } catch {
    // It counts for this page, then.
  }
}

/** List the devices, now and whenever one comes or goes.
 * @param {(found: Found) => void} onFound @param {AbortSignal} signal @returns {() => void} lists them again */
export function findDevices(onFound, signal) {
  const media = navigator.mediaDevices;
  async function find() {
    const all = (await media?.enumerateDevices().catch(() => [])) ?? [];
    // Before the person allows a microphone, devices have neither ids nor names.
    const of = (/** @type {string} */ kind) => all.filter((each) => each.kind === kind && !SYSTEM.has(each.deviceId));
    if (!signal.aborted) onFound({ microphones: of("audioinput"), speakers: of("audiooutput") });
  }
  media?.addEventListener("devicechange", find, { signal });
  find();
  return find;
}

const DETECTIONS = [
  ["server_vad", "after a silence"],
  ["semantic_vad", "when the words sound finished"],
];
const EAGERNESS = [
  ["auto", "auto"],
  ["low", "low: waits longest"],
  ["medium", "medium"],
  ["high", "high: waits least"],
];

/**
 * Show the choices in a box.
 * @param {HTMLElement} box
 * @param {object} act
 * @param {(devices: Partial<Devices>) => void} act.choose takes a device, or the volume
 * @param {(name: "voice" | "model", value: string) => void} act.set
 * @param {(type: string, eagerness: string) => void} act.detect
 * @returns {(state: { devices: Devices, found: Found, settings: Settings, hasSource: boolean, hands_free: boolean },
 *   reached: boolean) => void} shows the current choices; `reached` is whether the session can be told
 */
export function makeSettings(box, act) {
  const rows = document.createElement("div");
  rows.className = "rtnb-choosing";
  box.querySelector("summary")?.after(rows);
  const canSteer = "setSinkId" in AudioContext.prototype; // Firefox and WebKit play to the system's loudspeaker.
  const choices = {
    microphone: newRow(rows, "Microphone", newSelect((value) => act.choose({ microphone: value }))),
    speaker: newRow(rows, "Loudspeaker", newSelect((value) => act.choose({ speaker: value }))),
    volume: newRow(rows, "Volume", newSlider((value) => act.choose({ volume: value }))),
    voice: newRow(rows, "Voice", newSelect((value) => act.set("voice", value))),
    model: newRow(rows, "Model", newSelect((value) => act.set("model", value))),
    detection: newRow(rows, "Turns end", newSelect((value) => act.detect(value, choices.eagerness.control.value))),
    eagerness: newRow(rows, "Eagerness", newSelect((value) => act.detect("semantic_vad", value))),
  };

  return ({ devices, found, settings, hasSource, hands_free }, reached) => {
    const { detection } = settings;
    fill(choices.microphone, devicesOf(found.microphones, "System default"), devices.microphone, !hasSource);
    fill(choices.speaker, devicesOf(found.speakers, "System default"), devices.speaker, canSteer);
    setValue(choices.volume.control, String(Math.round(devices.volume * 100)));
    fill(choices.voice, settings.voices.map(twice), settings.voice, settings.voice !== "");
    fill(choices.model, settings.models.map(twice), settings.model, settings.model !== "");
    const isKnown = !detection || DETECTIONS.some(([type]) => type === detection.type);
    const detections = isKnown ? DETECTIONS : [...DETECTIONS, twice(detection.type)];
    fill(choices.detection, detections, detection?.type ?? "", hands_free && detection !== null);
    fill(choices.eagerness, EAGERNESS, detection?.eagerness ?? "auto", hands_free && detection?.type === "semantic_vad");
    for (const name of /** @type {const} */ (["voice", "model", "detection", "eagerness"])) {
      choices[name].control.disabled = !reached;
    }
  };
}

/** @typedef {{ row: HTMLElement, control: HTMLSelectElement | HTMLInputElement }} Choice */

/** @param {string} text */
const twice = (text) => [text, text];

/** @param {MediaDeviceInfo[]} devices @param {string} system @returns {string[][]} */
function devicesOf(devices, system) {
  return [["", system], ...devices.map(({ deviceId, label }, place) => [deviceId, label || `Device ${place + 1}`])];
}

/** @param {HTMLElement} rows @param {string} name @param {HTMLSelectElement | HTMLInputElement} control @returns {Choice} */
function newRow(rows, name, control) {
  const row = document.createElement("label");
  row.append(Object.assign(document.createElement("span"), { textContent: name }), control);
  control.ariaLabel = name; // Otherwise the options would be part of the name.
  rows.append(row);
  return { row, control };
}

/** @param {(value: string) => void} onChoice */
function newSelect(onChoice) {
  const select = document.createElement("select");
  select.className = "rtnb-input";
  select.onchange = () => onChoice(select.value);
  return select;
}

/** @param {(value: number) => void} onChoice takes 0 to 1 */
function newSlider(onChoice) {
  const slider = Object.assign(document.createElement("input"), { type: "range", min: "0", max: "100" });
  slider.oninput = () => onChoice(slider.valueAsNumber / 100);
  return slider;
}

/** @param {Choice} choice @param {string[][]} options value and name of each @param {string} value
 * @param {boolean} isThere */
function fill({ row, control }, options, value, isThere) {
  row.hidden = !isThere;
  const wanted = JSON.stringify(options);
  if (control.dataset.options !== wanted) {
    control.dataset.options = wanted;
    control.replaceChildren(...options.map(([value, name]) => new Option(name, value)));
  }
  const isListed = options.some(([each]) => each === value); // A device that was pulled out is not.
  setValue(control, isListed ? value : (options[0]?.[0] ?? ""));
}

/** @param {HTMLSelectElement | HTMLInputElement} control @param {string} value */
function setValue(control, value) {
  if (control.value !== value) control.value = value;
}
