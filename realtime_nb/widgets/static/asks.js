// @ts-check
// The calls that wait for the person's approval. Names and arguments are the model's words: untrusted text, which
// reaches the page only through `textContent`.

/** @typedef {{ call_id: string, name: string, server_label: string, arguments: [string, string][] }} Ask */

/**
 * Show one card per call; existing cards stay, and keep their focus.
 * @param {HTMLElement} box @param {Ask[]} asks @param {(callId: string, approved: boolean) => void} decide
 */
export function drawAsks(box, asks, decide) {
  const present = new Map([...box.children].map((child) => [/** @type {HTMLElement} */ (child).dataset.id, child]));
  for (const ask of asks) {
    if (!present.delete(ask.call_id)) box.append(newCard(ask, decide));
  }
  present.forEach((card) => card.remove());
  box.hidden = !asks.length;
}

/** @param {Ask} ask @param {(callId: string, approved: boolean) => void} decide */
function newCard(ask, decide) {
  const card = document.createElement("div");
  card.className = "rtnb-ask";
  card.dataset.id = ask.call_id;
  card.innerHTML = `
    <div>The AI asks to run <code></code><span></span></div>
    <dl tabindex="0" aria-label="With these arguments"></dl>
    <div class="rtnb-row">
      <button type="button" class="rtnb-button rtnb-primary">Allow</button>
      <button type="button" class="rtnb-button">Refuse</button>
    </div>`;
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (card.querySelector(selector));
  find("code").textContent = ask.name;
  find("span").textContent = ask.server_label ? ` on the server ${ask.server_label}` : "";
  find("dl").append(...ask.arguments.flatMap(([name, value]) => [part("dt", name), part("dd", value)]));
  const [allow, refuse] = card.querySelectorAll("button");
  allow.onclick = () => decide(ask.call_id, true);
  refuse.onclick = () => decide(ask.call_id, false);
  return card;
}

/** @param {string} tag @param {string} text */
function part(tag, text) {
  return Object.assign(document.createElement(tag), { textContent: text });
}
