// @ts-check
// The record of a talk: its picture becomes the seek bar of its player, and every time in it a button. The record itself
// is static and complete without this; it comes from `views/conversation.py`, the one place where its text is escaped.

const SKIP_S = 2;
const PLAYHEAD = "position:absolute;top:0;bottom:0;width:2px;margin-left:-1px;background:#e5484d;forced-color-adjust:none;pointer-events:none";
const BUTTON = "font:inherit;color:inherit;background:none;border:0;padding:0;text-decoration:underline;cursor:pointer";

/** @typedef {{ root: Element, block: HTMLElement, begin: number, audio: HTMLAudioElement, plays: () => boolean }} Shown */
/** The latest look of each record, which is drawn again as the talk goes on. @type {Map<any, Shown>} */
const latest = new Map();

/** Enliven every record that comes into the page. @param {AbortSignal} signal */
export function follow(signal) {
  const find = () => document.querySelectorAll('[data-rtnb="talk"]:not([data-rtnb-on])').forEach((each) => enliven(each));
  const observer = new MutationObserver(find);
  observer.observe(document.body, { childList: true, subtree: true });
  signal.addEventListener("abort", () => observer.disconnect());
  find();
}

/** @param {any} block a player with its picture @param {any} [key] the same for each look of one record */
export function enliven(block, key = block.dataset.rtnbId) {
  block.dataset.rtnbOn = "";
  const audio = /** @type {HTMLAudioElement} */ (block.querySelector("audio"));
  const bar = block.querySelector('[data-rtnb="bar"]');
  if (!audio) return;
  const root = /** @type {Element} */ (block.closest("[role=group]") ?? block);
  const [length, left, right] = [block.dataset.rtnbLength, bar.dataset.rtnbLeft, bar.dataset.rtnbRight].map(Number);
  const lanes = /** @type {HTMLElement[]} */ ([...block.querySelectorAll("[data-rtnb-at]")]);
  const head = Object.assign(document.createElement("div"), { style: PLAYHEAD });
  const caption = document.createElement("div");
  caption.style.cssText = "min-height:1.5em;font-size:85%;overflow:hidden;text-overflow:ellipsis;white-space:nowrap";
  bar.append(head);
  block.append(caption);
  let plays = false;

  /** @param {number} at_s */
  function seek(at_s) {
    audio.currentTime = Math.max(0, Math.min(at_s, length));
    show();
  }

  /** @param {number} at_s */
  function playFrom(at_s) {
    seek(at_s);
    audio.play().catch(() => {}); // A browser that wants a click first leaves the player where it is.
  }

  function show() {
    const at_s = Math.min(audio.currentTime, length);
    head.style.left = `${100 * (left + ((1 - left - right) * at_s) / length)}%`;
    let now = /** @type {HTMLElement | null} */ (null);
    for (const lane of lanes) if (Number(lane.dataset.rtnbAt) <= at_s + 0.01) now = later(now, lane);
    for (const lane of lanes) lane.style.opacity = lane === now || audio.paused ? "1" : "0.45";
    const words = now?.title ?? "";
    if (caption.textContent !== words) caption.textContent = words;
    bar.setAttribute("aria-valuenow", at_s.toFixed(1));
    bar.setAttribute("aria-valuetext", `${at_s.toFixed(1)} of ${length.toFixed(1)} seconds. ${words}`);
    if (!audio.paused) requestAnimationFrame(show);
  }

  /** @param {PointerEvent} event */
  function point(event) {
    const { left: from, width } = bar.getBoundingClientRect();
    seek((((event.clientX - from) / width - left) / (1 - left - right)) * length);
  }

  const names = { role: "slider", tabindex: "0", "aria-label": "Place in the talk", "aria-valuemin": "0" };
  for (const [name, value] of Object.entries({ ...names, "aria-valuemax": length.toFixed(1) })) bar.setAttribute(name, value);
  Object.assign(bar.style, { cursor: "pointer", touchAction: "pan-y" });
  bar.onpointerdown = (/** @type {PointerEvent} */ event) => {
    event.preventDefault(); // The picture itself would be dragged.
    bar.focus({ preventScroll: true });
    bar.setPointerCapture(event.pointerId);
    point(event);
  };
  bar.onpointermove = (/** @type {PointerEvent} */ event) => bar.hasPointerCapture(event.pointerId) && point(event);
  bar.onkeydown = (/** @type {KeyboardEvent} */ event) => {
    const steps = /** @type {Record<string, number>} */ ({ ArrowLeft: -SKIP_S, ArrowRight: SKIP_S, Home: -Infinity, End: Infinity });
    if (event.key in steps) seek(audio.currentTime + steps[event.key]);
    else if (event.key === " ") audio.paused ? playFrom(audio.currentTime) : audio.pause();
    else return;
    event.preventDefault();
    event.stopPropagation(); // Jupyter's own keys.
  };
  for (const lane of lanes) {
    lane.style.cursor = "pointer";
    lane.onclick = () => playFrom(Number(lane.dataset.rtnbAt));
  }
  for (const time of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("td [data-rtnb-at]"))) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: time.textContent, title: "Play from here", style: BUTTON });
    button.onclick = () => playFrom(Number(time.dataset.rtnbAt));
    time.replaceWith(button);
  }
  audio.onplay = () => {
    plays = true;
    show();
  };
  // An element that leaves the page stops by itself; the next look of its record goes on.
  audio.onpause = () => {
    if (audio.isConnected) plays = false;
    show();
  };
  audio.ontimeupdate = audio.onseeked = show;
  show();

  const before = key && latest.get(key);
  const begin = Number(block.dataset.rtnbBegin);
  if (key) latest.set(key, { root, block, begin, audio, plays: () => plays });
  if (!before || before.block.isConnected) return;
  const folds = before.root.querySelectorAll("details");
  root.querySelectorAll("details").forEach((fold, place) => (fold.open = folds[place]?.open ?? fold.open));
  if (before.audio.currentTime) seek(before.audio.currentTime + before.begin - begin);
  if (before.plays()) playFrom(audio.currentTime);
}

/** @param {HTMLElement | null} one @param {HTMLElement} other */
function later(one, other) {
  return one && Number(one.dataset.rtnbAt) > Number(other.dataset.rtnbAt) ? one : other;
}

export default () => ({
  async initialize() {},
  /** @param {{ model: any, el: HTMLElement }} context */
  async render({ model, el }) {
    const root = Object.assign(document.createElement("div"), { className: "rtnb", style: "padding:0" });
    el.append(root);
    const draw = () => {
      root.innerHTML = model.get("_html"); // Escaped where it was made.
      root.querySelectorAll('[data-rtnb="talk"]').forEach((each) => enliven(each, root));
    };
    draw();
    model.on("change:_html", draw);
    return () => {
      model.off("change:_html", draw);
      latest.delete(root);
      root.remove();
    };
  },
});
