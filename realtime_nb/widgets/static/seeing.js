// @ts-check
// The panel's camera: the view of a Camera widget, and controls to show the AI its pictures.

/** @typedef {{ taking: boolean, watching: boolean, every_s: number, told: string }} Seeing the kernel's report */
/** @typedef {{ show: () => void, ask: () => void, watch: (on: boolean) => void }} Act */

/**
 * Show the camera and its controls in a box.
 * @param {HTMLElement} box @param {Act} act
 * @param {(el: HTMLElement) => Promise<unknown>} drawCamera puts the camera's own view into an element
 * @returns {(seeing: Seeing, reached: boolean) => void} shows a report; `reached` is whether anything can be asked
 */
export function makeSeeing(box, act, drawCamera) {
  box.innerHTML = `
    <summary>Camera</summary>
    <div data-role="camera"></div>
    <div class="rtnb-row">
      <button type="button" class="rtnb-button" data-role="show"
        title="Takes a picture and adds it to the conversation; the next answer sees it">Show to the AI</button>
      <button type="button" class="rtnb-button" data-role="ask"
        title="Takes a picture and asks about it, in the words typed below">Ask about it</button>
      <label class="rtnb-switch"><input type="checkbox" data-role="watch"><span></span></label>
    </div>
    <div class="rtnb-quiet" data-role="told" aria-live="polite"></div>`;
  const find = (/** @type {string} */ selector) => /** @type {any} */ (box.querySelector(selector));
  const [show, ask, watch] = ["show", "ask", "watch"].map((role) => find(`[data-role=${role}]`));
  const told = find("[data-role=told]");
  show.onclick = act.show;
  ask.onclick = act.ask;
  watch.onchange = () => act.watch(watch.checked);
  drawCamera(find("[data-role=camera]")).catch((error) => {
    find("[data-role=camera]").textContent = `The camera cannot be shown here: ${error?.message || error}`;
  });

  return (seeing, reached) => {
    show.disabled = ask.disabled = !reached || seeing.taking;
    watch.disabled = !reached;
    watch.checked = seeing.watching;
    const words = `Keep showing, every ${seeing.every_s} s`;
    if (watch.nextElementSibling.textContent !== words) watch.nextElementSibling.textContent = words;
    const text = seeing.taking ? "Taking a picture…" : seeing.told;
    told.setAttribute("aria-live", seeing.watching ? "off" : "polite"); // A screen reader would announce every picture.
    if (told.textContent !== text) told.textContent = text;
  };
}
