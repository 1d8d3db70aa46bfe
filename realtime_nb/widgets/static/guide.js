// @ts-check
// What the model gets in advance: its instructions, which the person may change between turns, and its tools.

/** @typedef {{ instructions: string, tools: string[] }} Guide */

/**
 * Show instructions and tools in a box.
 * @param {HTMLElement} box @param {(text: string) => void} apply
 * @returns {(guide: Guide, reached: boolean) => void} shows the current ones; `reached` is whether they can be changed
 */
export function makeGuide(box, apply) {
  box.innerHTML = `
    <summary>Instructions and tools</summary>
    <textarea class="rtnb-input" rows="3" aria-label="Instructions" data-lm-suppress-shortcuts="true"></textarea>
    <div class="rtnb-row">
      <button type="button" class="rtnb-button" title="From the next answer on">Apply</button>
      <span class="rtnb-quiet"></span>
    </div>`;
  const find = (/** @type {string} */ selector) => /** @type {any} */ (box.querySelector(selector));
  const words = /** @type {HTMLTextAreaElement} */ (find("textarea"));
  const button = /** @type {HTMLButtonElement} */ (find("button"));
  let known = "";
  button.onclick = () => apply(words.value);
  words.oninput = () => (button.disabled = words.value === known);

  return ({ instructions, tools }, reached) => {
    if (instructions !== known) {
      if (words.value === known) words.value = instructions; // Keep what the person has begun to write.
      known = instructions;
    }
    words.disabled = !reached;
    button.disabled = !reached || words.value === known;
    const text = tools.length ? `Tools: ${tools.join(", ")}` : "No tools";
    if (find("span").textContent !== text) find("span").textContent = text;
  };
}
