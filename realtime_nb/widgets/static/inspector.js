// @ts-check
// A session's events: only the lines in sight of the list are drawn, so that it stays quick while hundreds come each
// second. What the events hold is untrusted text, which reaches the page only through `textContent`.

/** @typedef {{ index: number, count: number, ms: number, direction: string, type: string, bytes: number, about: string,
 *   tone: string }} Line `count` events of one kind in a row, from `index` on */

const REPEATED = ["input_audio_buffer.append", "playback.heard"]; // They come many times a second, as deltas do.
const LINE_PX = 22;
const MOST_ITEMS = 200; // To choose from.
const SAID_MS = 4000;
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
    (next.type.endsWith(".delta") || REPEATED.includes(next.type))
  );
}

/** @param {number} bytes */
export function sizeInWords(bytes) {
  return bytes < 1000 ? `${bytes} B` : bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Keep the events that a page has been told of. @param {(message: object) => void} send */
export function makeEvents(send) {
  const state = {
    lines: /** @type {Line[]} */ ([]),
    items: /** @type {Set<string>} */ (new Set()),
    events: 0,
    kept: Infinity,
    json: "",
    shown: -1,
    copied: "", // What the kernel made of the lines to copy, until a view has taken it.
  };
  const watchers = new Set();
  let scheduled = 0;

  function changed() {
    scheduled ||= requestAnimationFrame(() => {
      scheduled = 0;
      watchers.forEach((watch) => watch());
    });
  }

  /** @param {number} first @param {any[][]} rows */
  function add(first, rows) {
    rows.forEach(([ms, direction, type, bytes, about, tone], place) => {
      const line = { index: first + place, count: 1, ms, direction, type, bytes, about, tone };
      const last = state.lines[state.lines.length - 1];
      if (last && joins(last, line)) {
        last.count += 1;
        last.bytes += bytes;
      } else state.lines.push(line);
      if (about) state.items.add(about);
    });
    state.events = first + rows.length;
    const oldest = state.events - state.kept;
    const gone = state.lines.findIndex((line) => line.index + line.count > oldest);
    if (gone > 0) state.lines.splice(0, gone);
    for (const item of state.items) {
      if (state.items.size <= MOST_ITEMS) break;
      state.items.delete(item); // The oldest.
    }
  }

  return {
    state,
    /** @param {any} message */
    take(message) {
      if (message.kind === "begin") {
        Object.assign(state, { lines: [], items: new Set(), events: message.first, kept: message.kept });
      } else if (message.kind === "events") add(message.first, message.rows);
      else if (message.kind === "json") Object.assign(state, { json: message.text, shown: message.index });
      else if (message.kind === "copied") Object.assign(state, { copied: message.text });
      else return;
      changed();
    },
    /** @param {() => void} watch */
    watch(watch) {
      watchers.add(watch);
      return () => watchers.delete(watch);
    },
    /** @param {number} index */
    open: (index) => send({ kind: "event", index }),
    /** @param {Line[]} lines */
    copy: (lines) => send({ kind: "copy", runs: lines.map(({ index, count }) => [index, count]) }),
  };
}

/** @param {any} model @param {AbortSignal} signal */
async function makeEngine(model, signal) {
  const roadPart = await load(model.get("_parts")["road.js"]);
  const road = roadPart.openRoad({
    model,
    signal,
    onControl: (/** @type {any} */ message) => events.take(message),
    onRoad() {},
  });
  const events = makeEvents((message) => road.send(message, true));
  return events;
}

const HTML = `
  <div class="rtnb-row">
    <input type="search" class="rtnb-input" aria-label="Search events" placeholder="Search by type or id" data-lm-suppress-shortcuts="true">
    <select class="rtnb-input" aria-label="Item"></select>
    <label class="rtnb-switch"><input type="checkbox"> Errors and remarks</label>
  </div>
  <div class="rtnb-events" tabindex="0" role="list" aria-label="Events"><div></div></div>
  <div class="rtnb-row"><span class="rtnb-quiet" role="status"></span>
    <button type="button" class="rtnb-button" data-role="copy" title="Copy the events that are listed">Copy as JSON</button></div>
  <div class="rtnb-json" hidden>
    <div class="rtnb-row"><b></b><button type="button" class="rtnb-button">Copy JSON</button>
      <button type="button" class="rtnb-close" aria-label="Close">×</button></div>
    <pre tabindex="0" aria-label="The event's JSON"></pre>
  </div>`;

/** @param {ReturnType<typeof makeEvents>} events @param {HTMLElement} el @param {string} [frame] classes */
export function showEvents(events, el, frame = "") {
  const { state } = events;
  const root = document.createElement("section");
  root.className = `rtnb-inspector ${frame}`;
  root.setAttribute("aria-label", "Events of the session");
  root.innerHTML = HTML;
  el.append(root);
  const find = (/** @type {string} */ selector) => /** @type {any} */ (root.querySelector(selector));
  const [search, odd, status, list] = [find("[type=search]"), find("[type=checkbox]"), find("[role=status]"), find(".rtnb-events")];
  const space = list.firstElementChild;
  const item = /** @type {HTMLSelectElement} */ (find("select"));
  const json = find(".rtnb-json");
  let following = true; // Until the person scrolls up.
  let top = 0;
  let said = "";
  let drawn = new Map();

  /** @returns {Line[]} */
  function wanted() {
    const text = search.value.trim().toLowerCase();
    if (!text && !odd.checked && !item.value) return state.lines;
    return state.lines.filter(
      (/** @type {Line} */ line) =>
        (!odd.checked || line.tone) && (!item.value || line.about === item.value) && (!text || `${line.type} ${line.about}`.toLowerCase().includes(text)),
    );
  }

  function draw() {
    drawItems();
    const lines = wanted();
    const now = said || `${state.events.toLocaleString("en")} events` + (lines === state.lines ? "" : `, ${lines.length} lines match`);
    if (status.textContent !== now) status.textContent = now;
    space.style.height = `${lines.length * LINE_PX}px`;
    if (following) list.scrollTop = list.scrollHeight;
    const first = Math.max(0, Math.floor(list.scrollTop / LINE_PX) - BEYOND);
    const last = Math.ceil((list.scrollTop + list.clientHeight) / LINE_PX) + BEYOND;
    arrange(lines.slice(first, last), first);
    json.hidden = state.shown === -1;
    if (json.querySelector("pre").textContent !== state.json) json.querySelector("pre").textContent = state.json;
    json.querySelector("b").textContent = state.shown < 0 ? "Events" : `Event ${state.shown + 1}`;
    if (state.copied) keep(state.copied, "The events");
    state.copied = "";
  }

  /** Let the person choose an item; the list is left alone while it is open. */
  function drawItems() {
    if (item.options.length === state.items.size + 1 && item.options[1]?.value === first(state.items)) return;
    if (document.activeElement === item) return;
    const chosen = item.value;
    item.replaceChildren(new Option("All items", ""), ...[...state.items].map((id) => new Option(id, id)));
    item.value = state.items.has(chosen) ? chosen : "";
  }

  /** Put a text on the clipboard; where the browser has none, show it to be copied by hand.
   * @param {string} text @param {string} what */
  async function keep(text, what) {
    try {
      await navigator.clipboard.writeText(text);
      said = `${what} are on the clipboard`;
    } catch {
      Object.assign(state, { json: text, shown: -2 });
      said = "The browser gives no clipboard: copy the text below";
    }
    draw();
    setTimeout(() => ((said = ""), draw()), SAID_MS);
  }

  /** Draw the lines in sight; those that are drawn already stay, which takes a page a fraction of the time.
   * @param {Line[]} lines @param {number} from the place of the first */
  function arrange(lines, from) {
    const nodes = lines.map((line, place) => {
      const key = `${from + place} ${line.index} ${line.count}`;
      return /** @type {const} */ ([key, drawn.get(key) ?? newLine(line, from + place)]);
    });
    drawn = new Map(nodes);
    const kept = new Set(drawn.values());
    for (const node of [...space.children]) kept.has(node) || node.remove();
    let at = space.firstChild;
    for (const node of kept) {
      if (node === at) at = at.nextSibling;
      else space.insertBefore(node, at);
    }
  }

  /** @param {string} id */
  function choose(id) {
    state.items.add(id);
    item.blur();
    item.replaceChildren();
    drawItems();
    item.value = id;
    draw();
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
    open.onclick = () => events.open(line.index + line.count - 1);
    const about = document.createElement(line.about ? "button" : "span");
    Object.assign(about, { textContent: line.about, title: line.about && "Show only its events" });
    if (line.about) about.onclick = () => choose(line.about);
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
    const isUp = list.scrollTop < top; // Not if the list has become lower meanwhile.
    top = list.scrollTop;
    following = (following && !isUp) || list.scrollHeight - top - list.clientHeight < LINE_PX;
    draw();
  });
  search.oninput = odd.onchange = item.onchange = draw;
  find("[data-role=copy]").onclick = () => events.copy(wanted());
  json.querySelector(".rtnb-button").onclick = () => keep(state.json, "The event's lines");
  json.querySelector(".rtnb-close").onclick = () => {
    Object.assign(state, { shown: -1, json: "" });
    draw();
  };
  root.onkeydown = (event) => {
    // Jupyter's own keys, and the panel's; Escape is for both.
    if (event.key !== "Escape" && !event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  };
  draw();
  const unwatch = events.watch(draw);
  return () => {
    unwatch();
    root.remove();
  };
}

/** @param {Set<string>} set */
function first(set) {
  return set.values().next().value;
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
      return showEvents(await engine, el, "rtnb rtnb-panel");
    },
  };
};
