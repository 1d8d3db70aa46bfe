// @ts-check
// The panel's transcript, turn by turn. The person can edit a turn, ask it again, or delete it. The words of people and
// models are untrusted text, which reaches the page only through `textContent`.
//
// A screen reader announces a turn once, when its words are final: until then its row is not live, and then its line is
// inserted again. The buttons of all turns are one stop of the Tab key; the arrow keys go on from there.

/** @typedef {"edit" | "rerun" | "delete"} Choice */
/** @typedef {{ id: string, role: string, text: string, heard: number | null, final: boolean, flagged: string,
 *   was: string, before: string, pictures: { words: string, url: string, cost: string }[], choices: Choice[],
 *   unsure: [number, number][], card: Card | null }} Row `was` and `before` are the id and the words of the turn that it
 *   replaces, `unsure` where the words are that were heard with little confidence */
/** @typedef {{ name: string, server: string, pairs: [string, string][], result: [string, string][] | null,
 *   remark: string }} Card a call with its arguments, or its result, or both */
/** @typedef {{ edit: (id: string, text: string, again: boolean) => void, rerun: (id: string) => void,
 *   delete: (id: string) => void }} Act */
/** @typedef {{ order: string[], rows: Map<string, Row>, changing: Set<string> }} Turns `changing` holds the turns that
 *   the kernel is changing */

const WHO = { user: "You", assistant: "AI", tool: "Tool", system: "System", break: "" };
const LONGEST_NAME = 40;
const PATHS = {
  edit: "M2 14l.7-3.4L11 2.3 13.7 5 5.4 13.3z",
  rerun: "M13 3v4H9M13 7A5.5 5.5 0 1 0 13.5 9.5",
  delete: "M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.7 9h5.6l.7-9M7 7v4M9 7v4",
};

/** The row that each node shows. @type {WeakMap<Node, Row>} */
const drawn = new WeakMap();

/** Say what a button does. @param {Choice} choice @param {Row} row */
function wordsOf(choice, { role }) {
  if (choice === "edit") return "Edit these words";
  if (choice === "delete") return role === "tool" ? "Delete this call and its output" : "Delete this turn";
  return `${role === "user" ? "Ask again" : "Answer again"}: everything after it is deleted`;
}

/**
 * Turn a log into a transcript. The work for a change does not grow with the number of turns.
 * @param {HTMLElement} log @param {Act} act
 * @param {Set<string>} stale turns that have changed since they were drawn; drawing removes them
 * @returns {(turns: Turns, open: boolean) => void} shows the current turns; `open` is whether they can be changed
 */
export function makeTranscript(log, act, stale) {
  const nodes = /** @type {Map<string, HTMLElement>} */ (new Map());
  let order = /** @type {string[]} */ ([]); // As drawn.
  let wasOpen = false;
  let current = ""; // The turn whose buttons the Tab key reaches.
  let reached = /** @type {HTMLElement | null} */ (null); // The buttons that it reaches.
  let following = true; // Until the person scrolls up.
  let top = 0;

  const toEnd = () => {
    if (following) log.scrollTop = log.scrollHeight;
  };
  log.addEventListener("scroll", () => {
    // The event of a scroll to the end may come when the rows have become higher again.
    const isUp = log.scrollTop < top;
    top = log.scrollTop;
    following = (following && !isUp) || log.scrollHeight - top - log.clientHeight < 40;
  });
  log.addEventListener("load", toEnd, true); // A picture has its height only now.
  new ResizeObserver(toEnd).observe(log);

  log.addEventListener("focusin", ({ target }) => {
    const row = rowOf(target);
    if (!row || /** @type {HTMLElement} */ (target).tagName === "SUMMARY") return;
    current = row.dataset.id ?? "";
    reach();
  });
  log.addEventListener("keydown", (event) => {
    const button = /** @type {HTMLElement} */ (event.target);
    if (!button.closest(".rtnb-choices")) return;
    const next = neighbour(log, button, event.key);
    if (!next) return;
    event.preventDefault();
    next.focus();
  });

  /** Let the Tab key reach the buttons of one turn: the current one, or the last. */
  function reach() {
    const chosen = choicesOf(nodes.get(current)) ?? lastChoices(log);
    if (reached && reached !== chosen) for (const button of buttonsOf(reached)) button.tabIndex = -1;
    reached = chosen;
    const buttons = buttonsOf(chosen);
    const focused = buttons.indexOf(/** @type {any} */ (document.activeElement));
    buttons.forEach((button, place) => (button.tabIndex = place === Math.max(0, focused) ? 0 : -1));
  }

  /** @param {string} id @param {Turns} turns @param {boolean} open */
  function drawTurn(id, turns, open) {
    const node = nodes.get(id);
    const row = turns.rows.get(id);
    if (!node || !row) return;
    drawRow(node, row, act);
    drawChanging(node, open, turns.changing.has(id));
  }

  /** Put rows where they belong, from the first to the last one that has moved.
   * @param {string[]} wanted @returns {HTMLElement[]} those that no longer have a place */
  function place(wanted) {
    const shorter = Math.min(order.length, wanted.length);
    let first = 0;
    while (first < shorter && order[first] === wanted[first]) first += 1;
    let same = 0;
    while (same < shorter - first && order[order.length - 1 - same] === wanted[wanted.length - 1 - same]) same += 1;
    const left = new Set(order.slice(first, order.length - same));
    let at = /** @type {Element | null} */ (nodes.get(order[first]) ?? null);
    for (const id of wanted.slice(first, wanted.length - same)) {
      const node = nodes.get(id) ?? newRow(id);
      nodes.set(id, node);
      left.delete(id);
      stale.add(id);
      if (node === at) at = at.nextElementSibling;
      else log.insertBefore(node, at);
    }
    order = wanted;
    return [...left].map((id) => {
      const node = /** @type {HTMLElement} */ (nodes.get(id));
      nodes.delete(id);
      return node;
    });
  }

  return (turns, open) => {
    if (turns.order === order && open === wasOpen && !stale.size) return;
    const gone = turns.order === order ? [] : place(turns.order);
    for (const id of open === wasOpen ? stale : turns.order) drawTurn(id, turns, open);
    stale.clear();
    wasOpen = open;
    const left = gone.find((node) => node.contains(document.activeElement));
    const heir = left && heirOf(left, turns);
    gone.forEach((node) => node.remove());
    reach();
    if (left) (heir?.isConnected && heir.querySelector("button") ? heir.querySelector("button") : log)?.focus();
    toEnd();
  };
}

/** Return a turn's buttons, if any of them can be pressed. @param {HTMLElement | undefined} node */
function choicesOf(node) {
  const box = /** @type {HTMLElement | null} */ (node?.isConnected ? node.children[1] : null);
  return box && !box.hidden ? box : null;
}

/** @param {HTMLElement} log */
function lastChoices(log) {
  for (let node = log.lastElementChild; node; node = node.previousElementSibling) {
    const box = choicesOf(/** @type {HTMLElement} */ (node));
    if (box) return box;
  }
  return null;
}

/** @param {HTMLElement | null} box */
const buttonsOf = (box) => /** @type {HTMLButtonElement[]} */ ([...(box?.children ?? [])]);

/** @param {EventTarget | null} target @returns {HTMLElement | null} */
const rowOf = (target) => /** @type {HTMLElement} */ (target).closest(".rtnb-turn");

/** Return the turn that gets the focus of a deleted one: its replacement, or the next.
 * @param {HTMLElement} node @param {Turns} turns @returns {HTMLElement | null} */
function heirOf(node, { rows, order }) {
  const log = /** @type {HTMLElement} */ (node.parentElement);
  const id = order.find((each) => rows.get(each)?.was === node.dataset.id);
  const find = (/** @type {Element | null} */ each) => /** @type {HTMLElement | null} */ (each);
  if (id) return find([...log.children].find((each) => find(each)?.dataset.id === id) ?? null);
  return find(node.nextElementSibling ?? node.previousElementSibling);
}

/** Return the button to which an arrow key leads: left and right within a turn, up and down to another turn.
 * @param {HTMLElement} log @param {HTMLElement} button @param {string} key @returns {HTMLElement | undefined} */
function neighbour(log, button, key) {
  const box = /** @type {HTMLElement} */ (button.parentElement);
  const buttons = /** @type {HTMLElement[]} */ ([...box.children]);
  const boxes = [...log.querySelectorAll(".rtnb-choices:not([hidden])")];
  const at = boxes.indexOf(box);
  const lead = (/** @type {Element | undefined} */ other) =>
    /** @type {HTMLElement | undefined} */ (
      other?.querySelector(`[data-choice=${button.dataset.choice}]`) ?? other?.firstElementChild ?? undefined
    );
  switch (key) {
    case "ArrowLeft":
      return buttons.at(buttons.indexOf(button) - 1);
    case "ArrowRight":
      return buttons[(buttons.indexOf(button) + 1) % buttons.length];
    case "ArrowUp":
      return lead(boxes[at - 1]);
    case "ArrowDown":
      return lead(boxes[at + 1]);
    case "Home":
      return lead(boxes[0]);
    case "End":
      return lead(boxes.at(-1));
  }
}

/** @param {string} id */
function newRow(id) {
  const node = document.createElement("div");
  node.dataset.id = id;
  node.setAttribute("aria-live", "off");
  node.append(newLine(), document.createElement("div"));
  const choices = /** @type {HTMLElement} */ (node.lastElementChild);
  choices.className = "rtnb-choices";
  choices.setAttribute("role", "toolbar");
  choices.setAttribute("aria-live", "off");
  return node;
}

function newLine() {
  const line = document.createElement("div");
  line.className = "rtnb-line";
  line.innerHTML = `<span class="rtnb-who"></span><div class="rtnb-text"><span></span><s></s><em></em><small></small><div class="rtnb-cut"></div><div class="rtnb-shown"></div><div class="rtnb-card"></div></div>`;
  return line;
}

/** @param {HTMLElement} node @param {Row} row @param {Act} act */
function drawRow(node, row, act) {
  if (drawn.get(node) === row) return; // A changed row is a new object.
  drawn.set(node, row);
  node.className = `rtnb-turn rtnb-${row.role in WHO ? row.role : "system"}`;
  node.setAttribute("aria-busy", String(!row.final));
  if (row.final && node.hasAttribute("aria-live")) {
    const line = newLine();
    drawLine(line, row);
    node.removeAttribute("aria-live");
    node.firstElementChild?.replaceWith(line);
  } else drawLine(/** @type {Element} */ (node.firstElementChild), row);
  drawChoices(node, row, act);
}

/** Whether a guard cut an answer: its words are shown only to those who ask for them. @param {Row} row */
const isHidden = (row) => Boolean(row.flagged) && row.role === "assistant";

/** @param {Element} line @param {Row} row */
function drawLine(line, row) {
  const [who, text] = line.children;
  const [heardText, unheardText, flagged, quiet, cut, shown, card] = /** @type {HTMLElement[]} */ ([...text.children]);
  const heard = row.heard ?? row.text.length;
  const pictures = row.pictures.filter(({ url }) => !url).map(({ words }) => words).join(" ");
  setText(who, WHO[/** @type {"user"} */ (row.role)] ?? row.role);
  const hidden = isHidden(row);
  const said = row.card || hidden ? "" : row.text;
  setText(heardText, said.slice(0, heard) || (row.text || row.final || row.pictures.length ? "" : "…"));
  markUnsure(heardText, hidden ? [] : row.unsure);
  setText(unheardText, said.slice(heard));
  unheardText.title = "Not heard: interrupted here";
  setText(flagged, row.flagged && (hidden ? `Cut by guard: ${row.flagged}` : ` Flagged: ${row.flagged}`));
  drawCut(cut, hidden ? row.text : "");
  const doubt = row.unsure.length > 0 && !hidden && "(not sure of the underlined words)";
  setText(quiet, [pictures, row.was && "(edited)", doubt].filter(Boolean).join(" "));
  quiet.title = row.before && `Before: ${row.before}`;
  drawPictures(shown, row.pictures.filter(({ url }) => url));
  drawCard(card, row.card);
}

/** Keep what a guard cut behind a fold. @param {HTMLElement} box @param {string} text */
function drawCut(box, text) {
  if (!text) return box.replaceChildren();
  if (!box.firstElementChild) {
    const fold = document.createElement("details");
    fold.append(element("summary", "Show what the guard cut"), element("span", ""));
    box.append(fold);
  }
  setText(/** @type {Element} */ (box.querySelector("span")), text);
}

/** Underline words that were heard with little confidence. @param {HTMLElement} node @param {[number, number][]} unsure */
function markUnsure(node, unsure) {
  if (node.querySelectorAll("u").length === unsure.length) return; // `setText` has removed the marks of other words.
  const text = node.textContent ?? "";
  let at = 0;
  node.replaceChildren();
  for (const [start, end] of unsure) {
    const word = Object.assign(document.createElement("u"), { className: "rtnb-unsure", textContent: text.slice(start, end) });
    word.title = "Heard with little confidence";
    node.append(text.slice(at, start), word);
    at = end;
  }
  node.append(text.slice(at));
}

/** The card that each box shows. @type {WeakMap<Element, string>} */
const cards = new WeakMap();

/** Show a call, or its result, which stays folded. @param {HTMLElement} box @param {Card | null} card */
function drawCard(box, card) {
  const wanted = JSON.stringify(card);
  if (!card || cards.get(box) === wanted) return;
  cards.set(box, wanted);
  const wasOpen = box.querySelector("details")?.open ?? false;
  box.replaceChildren();
  if (card.name) box.append(element("b", card.name));
  if (card.server) box.append(element("small", ` on the server ${card.server}`));
  if (card.remark) box.append(element("small", ` ${card.remark}`));
  box.append(listOf(card.pairs));
  if (!card.result) return;
  const fold = document.createElement("details");
  fold.open = wasOpen;
  fold.append(element("summary", "Result"), listOf(card.result));
  box.append(fold);
}

/** @param {[string, string][]} pairs */
function listOf(pairs) {
  const list = document.createElement("dl");
  list.append(...pairs.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  return list;
}

/** @param {string} tag @param {string} text */
function element(tag, text) {
  return Object.assign(document.createElement(tag), { textContent: text });
}

/** @param {HTMLElement} box @param {{ words: string, url: string, cost: string }[]} pictures */
function drawPictures(box, pictures) {
  if (box.childElementCount === pictures.length) return; // Pictures of a turn never change.
  box.replaceChildren(
    ...pictures.map(({ words, url, cost }) => {
      const figure = document.createElement("figure");
      const image = Object.assign(document.createElement("img"), { src: url, alt: words });
      figure.append(image, Object.assign(document.createElement("figcaption"), { textContent: cost }));
      return figure;
    }),
  );
}

/** @param {HTMLElement} node @param {Row} row @param {Act} act */
function drawChoices(node, row, act) {
  const box = /** @type {HTMLElement} */ (node.children[1]);
  const said = isHidden(row) ? "cut by guard" : row.text;
  const name = said.length > LONGEST_NAME ? `${said.slice(0, LONGEST_NAME)}…` : said;
  box.setAttribute("aria-label", `Change ${WHO[/** @type {"user"} */ (row.role)] ?? row.role}: ${name}`);
  const wanted = row.choices.join(" ");
  if (box.dataset.choices !== wanted) {
    box.dataset.choices = wanted;
    box.replaceChildren(...row.choices.map(newChoice));
  }
  row.choices.forEach((choice, place) => {
    const button = /** @type {HTMLButtonElement} */ (box.children[place]);
    button.title = wordsOf(choice, row);
    button.setAttribute("aria-label", button.title);
    button.onclick = () => (choice === "edit" ? edit(node, row, act) : act[choice](row.id));
  });
}

/** @param {Choice} choice */
function newChoice(choice) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "rtnb-choice";
  button.tabIndex = -1;
  button.dataset.choice = choice;
  button.innerHTML = `<svg viewBox="0 0 16 16" aria-hidden="true"><path d="${PATHS[choice]}"/></svg>`;
  return button;
}

/** Hide the buttons of a turn that cannot be changed now; lock its form during a change. @param {HTMLElement} node
 * @param {boolean} open @param {boolean} changing */
function drawChanging(node, open, changing) {
  const form = /** @type {HTMLFormElement | null} */ (node.querySelector("form"));
  const choices = /** @type {HTMLElement} */ (node.children[1]);
  choices.hidden = !open || !choices.childElementCount || form !== null;
  node.classList.toggle("rtnb-changing", changing);
  const fieldset = form?.querySelector("fieldset");
  if (!fieldset || fieldset.disabled === changing) return;
  fieldset.disabled = changing;
  if (!changing) form?.querySelector("textarea")?.focus(); // The kernel refused, so the words are still there.
}

/** Open a turn's words for the person to change. @param {HTMLElement} node @param {Row} row @param {Act} act */
function edit(node, row, act) {
  const choices = /** @type {HTMLElement} */ (node.children[1]);
  const form = document.createElement("form");
  form.className = "rtnb-edit";
  form.tabIndex = -1;
  form.setAttribute("aria-live", "off");
  form.dataset.lmSuppressShortcuts = "true"; // Ctrl+Enter must not run the cell.
  form.innerHTML = `
    <fieldset><textarea class="rtnb-input" rows="2"></textarea>
      <div class="rtnb-row">
        <button type="submit" class="rtnb-button rtnb-primary"></button>
        <button type="button" class="rtnb-button" data-role="save">Save only</button>
        <button type="button" class="rtnb-button" data-role="cancel">Cancel</button>
      </div></fieldset>`;
  const find = (/** @type {string} */ selector) => /** @type {any} */ (form.querySelector(selector));
  const words = /** @type {HTMLTextAreaElement} */ (find("textarea"));
  const asks = row.choices.includes("rerun") && row.role === "user";
  words.setAttribute("aria-label", row.role === "user" ? "What you said" : "What was said");
  words.value = row.text;
  find("[type=submit]").textContent = asks ? "Save and ask again" : "Save";
  find("[data-role=save]").hidden = !asks;
  const close = () => {
    form.remove();
    choices.hidden = false;
    /** @type {HTMLElement | null} */ (choices.querySelector("[data-choice=edit]"))?.focus();
  };
  const save = (/** @type {boolean} */ again) => {
    if (!words.value.trim()) return words.focus(); // Deleting has its own button.
    if (words.value.trim() === row.text && !again) return close();
    act.edit(row.id, words.value.trim(), again);
    form.focus(); // A disabled element loses the focus, and the page would scroll.
    find("fieldset").disabled = true;
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    save(asks);
  };
  find("[data-role=save]").onclick = () => save(false);
  find("[data-role=cancel]").onclick = close;
  form.onkeydown = (event) => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save(asks);
    else return;
    event.preventDefault();
    event.stopPropagation(); // Escape must not interrupt the answer here, nor reach Jupyter.
  };
  node.append(form);
  choices.hidden = true;
  words.focus();
  words.setSelectionRange(words.value.length, words.value.length);
}

/** Write only changes, because screen readers speak each one. @param {Element} node @param {string} text */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
