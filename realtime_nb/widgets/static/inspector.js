// @ts-check
// A session's events: a list of which only the lines in sight are drawn, so that it stays quick while hundreds come each
// second. What the events hold is untrusted text, which reaches the page only through `textContent`.

/** @typedef {{ index: number, count: number, ms: number, direction: string, type: string, bytes: number, about: string,
 *   tone: string }} Line `count` events of one kind in a row, from `index` on */

const LINE_PX = 22;
const BEYOND = 8; // Lines drawn above and below those in sight.
const ARROW = /** @type {Record<string, string>} */ ({ sent: "↑", received: "↓", local: "·" });
const WORDS = /** @type {Record<string, string>} */ ({ sent: "sent", received: "received", local: "noted here" });

/** @param {string} text @returns {Promise<any>} */
function load(text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  return import(url).finally(() => URL.revokeObjectURL(url));
}

/** Whether an event is one of a run that makes a single line. @param {Line} line @param {Line} next */
export function joins(line, next) {
  return (
    line.type === next.type &&
    line.direction === next.direction &&
    line.about === next.about &&
    (next.type.endsWith(".delta") || next.type === "input_audio_buffer.append")
  );
}

/** @param {number} bytes */
export function sizeInWords(bytes) {
  return bytes < 1000 ? `${bytes} B` : bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** @param {any} model @param {AbortSignal} signal */
async function makeEngine(model, signal) {
  const roadPart = await load(model.get("_parts")["road.js"]);
  const state = { lines: /** @type {Line[]} */ ([]), events: 0, kept: Infinity, json: "", shown: -1 };
  const watchers = new Set();
  let scheduled = 0;

  function changed() {
    scheduled ||= requestAnimationFrame(() => {
      scheduled = 0;
      watchers.forEach((watch) => watch());
    });
  }

  /** @param {number} first @param {any[][]} rows */
  function take(first, rows) {
    rows.forEach(([ms, direction, type, bytes, about, tone], place) => {
      const line = { index: first + place, count: 1, ms, direction, type, bytes, about, tone };
      const last = state.lines[state.lines.length - 1];
      if (last && joins(last, line)) {
        last.count += 1;
        last.bytes += bytes;
      } else state.lines.push(line);
    });
    state.events = first + rows.length;
    const oldest = state.events - state.kept;
    const gone = state.lines.findIndex((line) => line.index + line.count > oldest);
    if (gone > 0) state.lines.splice(0, gone);
  }

  /** @param {any} message */
  function takeControl(message) {
    if (message.kind === "begin") Object.assign(state, { lines: [], events: message.first, kept: message.kept });
    else if (message.kind === "events") take(message.first, message.rows);
    else if (message.kind === "json") Object.assign(state, { json: message.text, shown: message.index });
    changed();
  }

  const road = roadPart.openRoad({ model, signal, onControl: takeControl, onLook: takeControl, onRoad: changed });
  return {
    state,
    /** @param {() => void} watch */
    watch(watch) {
      watchers.add(watch);
      return () => watchers.delete(watch);
    },
    /** @param {number} index */
    open(index) {
      road.retake(); // There is no sound to take from anybody.
      road.send({ kind: "event", index }, true);
    },
  };
}

const HTML = `
  <div class="rtnb-row">
    <input type="search" class="rtnb-input" aria-label="Search events" placeholder="Search by type or id" data-lm-suppress-shortcuts="true">
    <label class="rtnb-switch"><input type="checkbox"> Errors and remarks</label>
    <span class="rtnb-quiet" role="status"></span>
  </div>
  <div class="rtnb-events" tabindex="0" role="list" aria-label="Events"><div></div></div>
  <div class="rtnb-json" hidden>
    <div class="rtnb-row"><b></b><button type="button" class="rtnb-button">Copy JSON</button>
      <button type="button" class="rtnb-close" aria-label="Close">×</button></div>
    <pre tabindex="0" aria-label="The event's JSON"></pre>
  </div>`;

/** @param {any} engine @param {HTMLElement} el */
function show(engine, el) {
  const { state } = engine;
  const root = document.createElement("section");
  root.className = "rtnb rtnb-panel rtnb-inspector";
  root.setAttribute("aria-label", "Events of the session");
  root.innerHTML = HTML;
  el.append(root);
  const find = (/** @type {string} */ selector) => /** @type {any} */ (root.querySelector(selector));
  const [search, odd, status, list] = [find("[type=search]"), find("[type=checkbox]"), find("[role=status]"), find(".rtnb-events")];
  const space = list.firstElementChild;
  const json = find(".rtnb-json");
  let following = true;

  /** @returns {Line[]} */
  function wanted() {
    const text = search.value.trim().toLowerCase();
    if (!text && !odd.checked) return state.lines;
    return state.lines.filter(
      (/** @type {Line} */ line) =>
        (!odd.checked || line.tone) && (!text || `${line.type} ${line.about}`.toLowerCase().includes(text)),
    );
  }

  function draw() {
    const lines = wanted();
    const said = `${state.events.toLocaleString("en")} events` + (lines === state.lines ? "" : `, ${lines.length} lines match`);
    if (status.textContent !== said) status.textContent = said;
    space.style.height = `${lines.length * LINE_PX}px`;
    if (following) list.scrollTop = list.scrollHeight;
    const first = Math.max(0, Math.floor(list.scrollTop / LINE_PX) - BEYOND);
    const last = Math.ceil((list.scrollTop + list.clientHeight) / LINE_PX) + BEYOND;
    space.replaceChildren(...lines.slice(first, last).map((line, place) => newLine(line, first + place)));
    json.hidden = state.shown < 0;
    if (json.querySelector("pre").textContent !== state.json) json.querySelector("pre").textContent = state.json;
    json.querySelector("b").textContent = `Event ${state.shown + 1}`;
  }

  /** @param {Line} line @param {number} place */
  function newLine(line, place) {
    const node = document.createElement("div");
    node.className = "rtnb-event";
    node.setAttribute("role", "listitem");
    node.dataset.tone = line.tone;
    node.style.top = `${place * LINE_PX}px`;
    const open = document.createElement("button");
    const type = line.count > 1 ? `${line.type} × ${line.count}` : line.type;
    Object.assign(open, { type: "button", textContent: type, title: `${WORDS[line.direction]}: show its JSON` });
    open.onclick = () => engine.open(line.index + line.count - 1);
    const about = document.createElement(line.about ? "button" : "span");
    Object.assign(about, { textContent: line.about, title: line.about && "Show only its events" });
    if (line.about) about.onclick = () => ((search.value = line.about), draw());
    node.append(
      cell(`${(line.ms / 1000).toFixed(3)} s`),
      cell(ARROW[line.direction] ?? "", WORDS[line.direction]),
      open,
      about,
      cell(sizeInWords(line.bytes)),
    );
    return node;
  }

  list.addEventListener("scroll", () => {
    following = list.scrollHeight - list.scrollTop - list.clientHeight < LINE_PX;
    draw();
  });
  search.oninput = odd.onchange = draw;
  json.querySelector(".rtnb-button").onclick = () => navigator.clipboard?.writeText(state.json);
  json.querySelector(".rtnb-close").onclick = () => {
    Object.assign(state, { shown: -1, json: "" });
    draw();
  };
  root.onkeydown = (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation(); // Jupyter's own keys.
  };
  draw();
  const unwatch = engine.watch(draw);
  return () => {
    unwatch();
    root.remove();
  };
}

/** @param {string} text @param {string} [title] */
function cell(text, title = "") {
  return Object.assign(document.createElement("span"), { textContent: text, title });
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
