// @ts-check
// The look of the panel: one view of the engine in panel.js. The words of people and models are untrusted text, which
// reaches the page only through `textContent`.

/** @typedef {import("./panel.js").State} State */
/** @typedef {import("./panel.js").Aside} Aside */

const RELOADED =
  "This page was reloaded, so the record below no longer grows. To see all of it, run session.conversation in a new " +
  "cell; to go on with a record that grows, run VoicePanel(session) there.";

/** What to do if there is no kernel, or another one. @type {{ [road: string]: string }} */
const WAYS_OUT = {
  none: "It may be busy with a cell. If it was restarted, run this notebook's cells again, from the top.",
  gone: "The conversation has ended with it. To talk again, run this notebook's cells, from the top.",
};

const HTML = `
  <div class="rtnb-head">
    <span class="rtnb-status" role="status"><span class="rtnb-dot"></span><span data-role="status"></span></span>
    <span class="rtnb-voice" hidden><span data-role="speaker"></span><span class="rtnb-meter" role="meter" aria-valuemin="0"
      aria-valuemax="100" data-role="level"><span></span></span></span>
    <span class="rtnb-ai">You are talking to an AI</span>
  </div>
  <div class="rtnb-account" hidden>
    <div><span class="rtnb-facts"></span>
      <span class="rtnb-meter" role="meter" aria-valuemin="0" aria-valuemax="100" data-role="spent"><span></span></span></div>
    <div><span class="rtnb-facts"></span>
      <span class="rtnb-meter" role="meter" aria-valuemin="0" aria-valuemax="100" data-role="time"><span></span></span></div>
  </div>
  <div class="rtnb-row">
    <button type="button" class="rtnb-button rtnb-primary" data-role="connect"></button>
    <button type="button" class="rtnb-button" data-role="disconnect">Disconnect</button>
    <button type="button" class="rtnb-button" data-role="end"
      title="Close this panel; the record below stays in the notebook">End and keep the record</button>
    <button type="button" class="rtnb-button" data-role="mute">Mute</button>
    <button type="button" class="rtnb-button" data-role="interrupt" aria-keyshortcuts="Escape"
      title="Stop the AI's answer (Escape)">Interrupt</button>
    <fieldset class="rtnb-modes">
      <legend class="rtnb-hidden">How to take turns</legend>
      <label><input type="radio" value="free"><span>Hands-free</span></label>
      <label><input type="radio" value="hold"><span>Hold to talk</span></label>
    </fieldset>
  </div>
  <button type="button" class="rtnb-button rtnb-hold" data-role="hold" aria-keyshortcuts="Space"
    title="Hold it, or the space bar, while you speak. Or press Enter to start, and again to stop.">
    Hold to talk <kbd>Space</kbd></button>
  <button type="button" class="rtnb-button rtnb-primary rtnb-wide" data-role="enable">Click anywhere to hear it</button>
  <details class="rtnb-seeing" open hidden></details>
  <div class="rtnb-error" role="alert" hidden><span></span>
    <button type="button" class="rtnb-close" aria-label="Dismiss this message">×</button></div>
  <div class="rtnb-note" hidden><span class="rtnb-notice" role="status"></span>
    <button type="button" class="rtnb-button" data-role="fix"></button>
    <button type="button" class="rtnb-close" data-role="noticed" aria-label="Dismiss this notice">×</button></div>
  <div class="rtnb-asks" role="alert" hidden></div>
  <div class="rtnb-welcome" hidden><p></p><div class="rtnb-row" role="group" aria-label="Things to ask"></div></div>
  <div class="rtnb-log" role="log" aria-live="polite" aria-label="Conversation" tabindex="0"></div>
  <form class="rtnb-form">
    <input type="text" class="rtnb-input" aria-label="Type a message" placeholder="Type a message" autocomplete="off">
    <button type="submit" class="rtnb-button">Send</button>
  </form>
  <div class="rtnb-folds">
    <details class="rtnb-key" hidden><summary>Add a key</summary>
      <form class="rtnb-row">
        <input type="password" class="rtnb-input" aria-label="OpenAI API key" placeholder="sk-…" autocomplete="off" spellcheck="false">
        <button type="submit" class="rtnb-button">Use this key</button>
      </form>
      <p class="rtnb-quiet">With a key from OpenAI you talk with its voice model, which costs money. The key goes to your kernel's
        memory and nowhere else.</p>
    </details>
    <details class="rtnb-aside" hidden><summary>Ask about this conversation</summary>
      <form class="rtnb-form">
        <input type="text" class="rtnb-input" aria-label="Ask about this conversation" placeholder="E.g. give it a title"
          autocomplete="off">
        <button type="submit" class="rtnb-button">Ask</button>
      </form>
      <p class="rtnb-quiet">The model reads what was said and answers here. It does not remember this afterwards.</p>
      <div class="rtnb-note" data-role="aside" hidden>
        <div role="status"><em></em><div></div><small></small></div>
        <button type="button" class="rtnb-close" aria-label="Dismiss this aside">×</button></div>
    </details>
    <details class="rtnb-remarks" hidden><summary><span role="status"></span></summary><ul></ul></details>
    <details class="rtnb-settings"><summary>Settings</summary>
      <label class="rtnb-switch" title="Your microphone sends silence while the AI speaks, so that it does not hear itself.
You can still interrupt it with the button or the Escape key."><input type="checkbox" data-role="half">
        Mute me while the AI speaks</label>
    </details>
    <details class="rtnb-details"><summary>Details</summary>
      <div class="rtnb-facts" data-role="facts"></div>
      <dl class="rtnb-facts" data-role="parts"></dl>
      <div class="rtnb-facts" data-role="account"></div>
      <details class="rtnb-scope"><summary>Sound</summary></details>
      <details class="rtnb-guide"></details>
    </details>
    <details class="rtnb-inspect"><summary>Events</summary></details>
  </div>
  <p class="rtnb-row rtnb-tab" hidden><span>This page may not use the microphone. Type here, or talk in a separate tab.</span>
    <a class="rtnb-button" target="_blank" rel="noopener noreferrer">Talk in a separate tab</a></p>`;

/** What the parts of the local voice do. @type {[string, string][]} */
const JOBS = [
  ["ears", "Listens"],
  ["end_of_turn", "Ends turns"],
  ["brain", "Answers"],
  ["voice", "Speaks"],
];

/** What a click on a notice can do. */
const FIXES = new Map([
  ["half_duplex", "Mute me then"],
  ["reconnect", "Reconnect now"],
]);

/** Questions to start with: for the local voice, whose rules know few, and for a model. */
const TRY = {
  local: ["What time is it?", "What is twelve times seven?", "What can you do?"],
  model: ["What can you do?", "Tell me a story in three sentences.", "Teach me to say hello in Japanese."],
};

/** Say who will answer, and how to begin. @param {State} state @param {string} button to click before one can speak;
 * empty if there is none */
function welcomeOf({ about: { backend, model, brain }, hands_free }, button) {
  const how = hands_free ? "speak" : `${button && "then "}hold the button while you speak`;
  const click = button && `Click ${button}${hands_free ? " and" : ","} `;
  const begin = `${click}${how}`;
  const who =
    backend === "local"
      ? `The local voice answers, on this machine: no key, no cost${brain ? `; ${brain}` : ""}.`
      : `${model} answers, at ${backend}.`;
  return `${who} ${begin[0].toUpperCase()}${begin.slice(1)}, type a message, or begin with one of these:`;
}

/** Say what one talks to; of the local voice, by its name. @param {State["about"]} about */
function machineOf({ backend, brain, parts }) {
  const rules = backend === "local" && (!brain || brain.includes("no language model"));
  const kind = rules ? "a machine" : "an AI";
  // It takes the place of Whisper where that has no wheel, and gets four times as many words wrong.
  const mishears = parts?.ears?.startsWith("PocketSphinx") ? ". PocketSphinx listens, and often mishears" : "";
  return `You are talking to ${kind}${brain ? `: ${brain}` : ""}${mishears}`;
}

let views = 0;

/** @param {any} engine @param {HTMLElement} el @param {any} host finds other widgets */
export function show(engine, el, host) {
  /** @type {State} */
  const state = engine.state;
  const root = document.createElement("section");
  root.className = "rtnb rtnb-panel";
  root.setAttribute("aria-label", "Voice panel");
  root.tabIndex = -1;
  root.innerHTML = HTML;
  el.append(root);
  // Only the panel's own elements: a camera shown inside it has an alert and buttons with the same names.
  const own = [...root.querySelectorAll("*")];
  const find = (/** @type {string} */ selector) => /** @type {any} */ (own.find((each) => each.matches(selector)));
  const part = (/** @type {string} */ role) => find(`[data-role=${role}]`);
  const radios = /** @type {HTMLInputElement[]} */ ([...root.querySelectorAll("input[type=radio]")]);
  const group = `rtnb-mode-${++views}`;
  for (const radio of radios) {
    radio.name = group;
    radio.onchange = () => engine.share("hands_free", radio.value === "free");
  }
  part("connect").onclick = () => (state.road === "taken" ? engine.retake() : engine.connect());
  part("disconnect").onclick = engine.disconnect;
  part("end").onclick = engine.end;
  part("mute").onclick = () => engine.share("muted", !state.muted);
  part("interrupt").onclick = engine.interrupt;
  part("enable").onclick = engine.enableSound;
  part("half").onchange = () => {
    state.notice = ""; // The notice may have asked for just this.
    engine.share("half_duplex", part("half").checked);
  };
  find(".rtnb-error .rtnb-close").onclick = () => engine.share("error", "");
  part("noticed").onclick = () => engine.dismiss("notice");
  part("aside").querySelector("button").onclick = () => engine.dismiss("aside");
  part("fix").onclick = () => {
    if (state.fix === "reconnect") return engine.reconnect();
    engine.dismiss("notice");
    engine.share("half_duplex", true);
  };
  const aside = find(".rtnb-aside input");
  find(".rtnb-aside form").onsubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (aside.value.trim()) engine.askAside(aside.value.trim());
    aside.value = "";
  };
  holdWith(part("hold"), engine);
  keys(root, part("hold"), engine);
  const input = find(".rtnb-form > .rtnb-input");
  find(".rtnb-form").onsubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (input.value.trim()) engine.say(typed());
  };

  const key = /** @type {HTMLInputElement} */ (find(".rtnb-key input"));
  find(".rtnb-key form").onsubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (key.value.trim()) engine.useKey(key.value.trim());
    key.value = "";
  };

  const gone = new AbortController();
  const drawTurns = engine.makeTranscript(find(".rtnb-log"), gone.signal);
  const drawGuide = engine.makeGuide(find(".rtnb-guide"));
  const drawSettings = engine.makeSettings(find(".rtnb-settings"));
  const drawSeeing = engine.makeSeeing(find(".rtnb-seeing"), host, typed, gone.signal);

  const tab = find(".rtnb-tab");
  const { url, needed } = engine.talkTab();
  tab.firstElementChild.hidden = !needed;
  tab.lastElementChild.href = url;
  tab.lastElementChild.classList.toggle("rtnb-primary", needed);
  (needed ? find(".rtnb-row") : find(".rtnb-details > .rtnb-scope")).before(tab);

  function typed() {
    const text = input.value;
    input.value = "";
    return text;
  }

  /** No more can be said here. */
  const isOver = () => state.ended || state.road === "gone";

  function draw() {
    const open = state.session === "open" && !isOver() && state.road !== "taken";
    const reached = ["direct", "proxy", "comm"].includes(state.road) && !isOver();
    const { words, tone } = statusOf(state);
    setText(part("status"), words);
    root.dataset.tone = tone;
    const { backend, model, voice, parts } = state.about;
    setText(find(".rtnb-ai"), machineOf(state.about));
    drawParts(part("parts"), parts ?? {});
    setText(part("facts"), [backend, model, `voice ${voice}`, engine.roadWords(), othersIn(state)].filter(Boolean).join("  ·  "));
    drawAccount(find(".rtnb-account"), part("account"), state);
    drawButtons(open, reached);
    find(".rtnb-voice").hidden = !open;
    drawVoice(part("speaker"), part("level"), state);
    drawWelcome(reached);
    setText(find(".rtnb-error > span"), state.error);
    find(".rtnb-error").hidden = !state.error;
    const wayOut = WAYS_OUT[state.road] ?? "";
    const notice = wayOut || state.notice || (state.reloaded && state.road !== "taken" ? RELOADED : "");
    setText(find(".rtnb-notice"), notice);
    find(".rtnb-note").hidden = !notice;
    setText(part("fix"), FIXES.get(state.fix) ?? "");
    part("noticed").hidden = Boolean(wayOut);
    const isFixed = state.fix === "half_duplex" && state.half_duplex;
    part("fix").hidden = !state.fix || isFixed || !notice || notice !== state.notice;
    drawAside(part("aside"), state.aside);
    find(".rtnb-aside").hidden = isOver() || !state.order.length;
    for (const each of find(".rtnb-aside form").children) each.disabled = !reached;
    drawRemarks(find(".rtnb-remarks"), state.remarks);
    find(".rtnb-scope").hidden = !open;
    find(".rtnb-seeing").hidden = !drawSeeing || isOver();
    drawSeeing?.(state.seeing, reached);
    tab.hidden = !url || isOver();
    find(".rtnb-details").hidden = find(".rtnb-settings").hidden = isOver();
    drawSettings(state, reached);
    find(".rtnb-key").hidden = backend !== "local" || !reached;
    drawGuide(state.guide, reached);
    engine.drawAsks(find(".rtnb-asks"), reached ? state.asks : [], engine.decide);
    drawTurns(state, open);
  }

  /** @param {boolean} open @param {boolean} reached */
  function drawButtons(open, reached) {
    const connect = part("connect");
    connect.hidden = isOver() || (open && state.capturing);
    connect.disabled = !(reached || state.road === "taken") || state.session === "connecting";
    const isLeft = state.session === "closed" && state.order.length > 0; // It can go on with what was said.
    const go = isLeft ? "Reconnect" : "Connect";
    setText(connect, state.road === "taken" ? "Talk here" : open ? "Turn on microphone" : go);
    part("disconnect").hidden = !open;
    part("end").hidden = !isLeft || !reached;
    part("mute").hidden = !(open && state.capturing);
    setText(part("mute"), state.muted ? "Unmute" : "Mute");
    part("mute").classList.toggle("rtnb-on", state.muted);
    part("interrupt").hidden = !open;
    part("interrupt").disabled = !engine.isBusy();
    for (const radio of radios) {
      radio.checked = (radio.value === "free") === state.hands_free;
      radio.disabled = !reached;
    }
    part("half").checked = state.half_duplex;
    part("half").parentElement.hidden = !state.hands_free || isOver();
    find(".rtnb-modes").hidden = find("form.rtnb-form").hidden = isOver();
    part("half").disabled = !reached;
    part("hold").hidden = state.hands_free || !open;
    part("hold").setAttribute("aria-pressed", String(state.held));
    part("enable").hidden = !(state.blocked && open);
    for (const each of [input, ...find(".rtnb-form").querySelectorAll("button")]) each.disabled = !reached;
  }

  /** Show who will answer and what to ask, before the first turn. @param {boolean} reached */
  function drawWelcome(reached) {
    const box = find(".rtnb-welcome");
    box.hidden = state.order.length > 0 || isOver();
    const log = find(".rtnb-log");
    log.classList.toggle("rtnb-hidden", !box.hidden); // There for screen readers, who are told of the first turn, too.
    log.tabIndex = box.hidden ? 0 : -1;
    if (box.hidden) return;
    const [words, row] = box.children;
    setText(words, welcomeOf(state, part("connect").hidden ? "" : part("connect").textContent));
    const wanted = TRY[state.about.backend === "local" ? "local" : "model"];
    if (row.firstChild?.textContent !== wanted[0]) row.replaceChildren(...wanted.map(newTry));
    for (const button of row.children) button.disabled = !reached;
  }

  /** @param {string} text */
  function newTry(text) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "rtnb-button", textContent: text });
    button.onclick = () => engine.say(text);
    return button;
  }

  const inspect = find(".rtnb-inspect");
  let hideEvents = () => {};
  inspect.ontoggle = () => {
    hideEvents();
    hideEvents = inspect.open ? engine.inspect(inspect) : () => {};
  };

  draw();
  const scope = find(".rtnb-scope");
  scope.open = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  const hideScope = engine.showScope(scope);
  const unwatch = engine.watch(draw);
  return () => {
    unwatch();
    hideScope();
    hideEvents();
    gone.abort();
    engine.letGo();
    root.remove();
  };
}

/** @param {HTMLElement} button @param {any} engine */
function holdWith(button, engine) {
  button.onpointerdown = (event) => {
    button.setPointerCapture(event.pointerId);
    engine.hold();
  };
  button.onpointerup = button.onpointercancel = button.onlostpointercapture = engine.letGo;
  button.oncontextmenu = (event) => event.preventDefault(); // A long touch means talking, not a menu.
  button.onclick = ({ detail }) => {
    // From a key or a screen reader, which cannot hold: one starts, the next one ends. Pointers were handled before.
    if (detail) return;
    if (button.getAttribute("aria-pressed") === "true") engine.letGo();
    else engine.hold();
  };
}

/** @param {HTMLElement} root @param {HTMLElement} holdButton @param {any} engine */
function keys(root, holdButton, engine) {
  const native = (/** @type {KeyboardEvent} */ { target }) =>
    target !== holdButton && /** @type {HTMLElement} */ (target).closest("button, input, select, summary, textarea");
  root.onkeydown = (event) => {
    // Jupyter's own keys (a, b, x, d d …) must not change the notebook while you talk; Ctrl+S still saves.
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
    if (event.key === "Escape") engine.interrupt();
    else if (event.key === " " && !native(event)) {
      event.preventDefault(); // Otherwise the page scrolls.
      if (!event.repeat) engine.hold();
    }
  };
  root.onkeyup = (event) => {
    if (event.key !== " " || native(event)) return;
    event.preventDefault();
    engine.letGo();
  };
  root.addEventListener("focusout", (event) => {
    if (!root.contains(/** @type {Node | null} */ (event.relatedTarget))) engine.letGo();
  });
}

/** List which part of the local voice does what. @param {HTMLElement} list @param {State["about"]["parts"]} parts */
function drawParts(list, parts) {
  const known = JOBS.filter(([job]) => parts[job]);
  const words = known.flatMap(([job, does]) => [does, parts[job]]);
  list.hidden = !known.length;
  if ([...list.children].map((each) => each.textContent).join("\n") === words.join("\n")) return;
  const element = (/** @type {string} */ textContent, /** @type {number} */ place) =>
    Object.assign(document.createElement(place % 2 ? "dd" : "dt"), { textContent });
  list.replaceChildren(...words.map(element));
}

/** @param {HTMLElement} box @param {Aside | null} aside */
function drawAside(box, aside) {
  const [asked, answer, cost] = /** @type {HTMLElement} */ (box.firstElementChild).children;
  if (aside && box.hidden) /** @type {HTMLDetailsElement} */ (box.parentElement).open = true; // Another page may have asked.
  box.hidden = !aside;
  setText(asked, aside?.asked ?? "");
  setText(answer, aside?.answer ?? "");
  setText(cost, aside?.cost ?? "");
}

/** List the remarks on what was odd, dropped or mended; screen readers speak their number. @param {HTMLElement} box
 * @param {string[]} remarks */
function drawRemarks(box, remarks) {
  const list = /** @type {HTMLElement} */ (box.querySelector("ul"));
  box.hidden = !remarks.length;
  setText(/** @type {Element} */ (box.querySelector("span")), remarks.length === 1 ? "1 remark" : `${remarks.length} remarks`);
  if (list.children.length === remarks.length) return;
  list.replaceChildren(...remarks.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
}

/** Write only changes, because screen readers speak each one. @param {Element} node @param {string} text */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Show who speaks, and how loud. @param {Element} words @param {HTMLElement} meter @param {State} state */
function drawVoice(words, meter, state) {
  const level = state.playing ? state.levelOut : state.muted ? 0 : state.levelIn;
  setText(words, state.playing ? "AI" : "You");
  meter.setAttribute("aria-label", state.playing ? "Level of the AI's voice" : "Your microphone's level");
  meter.classList.toggle("rtnb-theirs", state.playing);
  // Square root: speech at -30 dB should move the bar visibly.
  const percent = Math.round(Math.min(100, Math.sqrt(level) * 160));
  meter.setAttribute("aria-valuenow", String(percent));
  /** @type {HTMLElement} */ (meter.firstElementChild).style.width = `${percent}%`;
}

/** Show what was used: with a bar and always visible if there is a bound, otherwise under Details.
 * @param {HTMLElement} node @param {Element} details @param {State} state */
function drawAccount(node, details, { account, session }) {
  const since = session === "open" ? (performance.now() - account.at) / 60_000 : 0;
  const minutes = account.minutes + since;
  const { spent, spent_share, max_minutes, cached } = account;
  const isBound = spent_share !== null || max_minutes !== null;
  const clock = `${Math.floor(minutes)}:${String(Math.floor((minutes % 1) * 60)).padStart(2, "0")}`;
  const time = max_minutes === null ? clock : `${clock} of ${+max_minutes.toFixed(2)} min`;
  const used = account.at && (minutes || isBound) ? [`spent ${spent}`, time] : [];
  node.hidden = !(isBound && used.length);
  setText(details, [...used, cached].filter(Boolean).join("  ·  "));
  drawBound(node.children[0], spent_share, `spent ${spent}`);
  drawBound(node.children[1], max_minutes && minutes / max_minutes, `time ${time}`);
}

/** @param {any} box @param {number | null} share @param {string} words */
function drawBound(box, share, words) {
  const [label, meter] = box.children;
  setText(label, words);
  meter.hidden = share === null;
  const percent = Math.round(Math.min(1, share ?? 0) * 100);
  meter.setAttribute("aria-valuenow", String(percent));
  meter.setAttribute("aria-label", words);
  meter.classList.toggle("rtnb-nearly", percent >= 80);
  meter.firstElementChild.style.width = `${percent}%`;
}

/** Say how many others watch. @param {State} state */
function othersIn({ road, company: { others } }) {
  if (!others || road === "taken") return "";
  return others === 1 ? "1 other window is watching" : `${others} other windows are watching`;
}

/** Return the status in a few words. @param {State} state @returns {{ words: string, tone: string }} */
export function statusOf(state) {
  if (state.alone && (state.ended || state.road === "closed")) return { words: "This conversation has ended.", tone: "off" };
  if (state.ended) return { words: "This conversation has ended. Run this cell again to talk again.", tone: "off" };
  if (state.road === "none") return { words: "The kernel does not answer", tone: "bad" };
  if (state.road === "gone") return { words: "The kernel was restarted, or has stopped", tone: "bad" };
  if (state.road === "taken") {
    const who = state.company.person || "Somebody";
    return { words: state.session === "open" ? `${who} talks in another window` : "In use in another window", tone: "off" };
  }
  if (state.road === "closed") return { words: "Closed. Run this cell again to talk again.", tone: "off" };
  if (state.road === "") return { words: "Looking for the kernel…", tone: "wait" };
  if (state.session === "connecting") return { words: state.waiting || "Connecting…", tone: "wait" };
  if (state.session !== "open") return { words: state.message || (state.order.length ? "Disconnected" : "Not connected"), tone: "off" };
  if (state.waiting) return { words: state.waiting, tone: "wait" };
  if (state.playing && state.blocked) return { words: "Sound is blocked", tone: "speak" };
  if (state.playing && state.paused) return { words: "Paused: is that you?", tone: "hear" };
  if (state.playing) return { words: "The AI is speaking", tone: "speak" };
  if (state.phase === "hearing" || state.held) return { words: "Listening to you", tone: "hear" };
  if (state.asks.length) return { words: "The AI waits for your approval", tone: "wait" };
  if (state.running.length) return { words: `Thinking… (running ${state.running.join(", ")})`, tone: "wait" };
  if (state.phase === "thinking") return { words: "Thinking…", tone: "wait" };
  if (!state.capturing) return { words: "Connected, microphone off", tone: "on" };
  if (state.muted) return { words: "Connected, microphone muted", tone: "on" };
  return { words: state.hands_free ? "Listening: just speak" : "Hold the button to talk", tone: "on" };
}
