// @ts-check
// The talk page: one panel in a separate browser tab. This stands in for the widget manager of a notebook; there is
// no comm, so everything goes by the socket to the port that the page came from.

/** @typedef {{ [trait: string]: any }} Traits */

/** @type {{ panel: string, models: { [id: string]: Traits } }} */
const given = JSON.parse(/** @type {HTMLElement} */ (document.getElementById("given")).textContent ?? "");
const behindProxy = /^(.*\/)proxy\/\d+\//.exec(location.pathname);
if (behindProxy) document.body.dataset.baseUrl = behindProxy[1];
const takes = location.hash === "#talk";
// A page that is opened to talk takes the sound at once; reloaded, or from a bookmark, it does not.
history.replaceState(null, "", location.pathname);

/** @param {Traits} traits */
function newModel(traits) {
  if (traits._door && !behindProxy) traits._door.port = Number(location.port); // A tunnel may end at another port.
  traits._takes = takes;
  return {
    widget_manager: { get_model: async () => null },
    get: (/** @type {string} */ name) => traits[name],
    set: (/** @type {string} */ name, /** @type {any} */ value) => (traits[name] = value),
    save_changes() {},
    on() {},
    off() {},
    send() {},
  };
}

const signal = new AbortController().signal;
const host = {
  /** @param {string} reference of a widget that another one shows */
  async getWidget(reference) {
    const widget = await started(reference.replace(/^anywidget:/, ""));
    return {
      /** @param {{ el: HTMLElement, signal: AbortSignal }} where */
      async render({ el, signal: viewSignal }) {
        viewSignal.addEventListener("abort", await widget.render({ el, host }));
      },
    };
  },
};

/** @param {string} id */
async function started(id) {
  const traits = given.models[id];
  const url = URL.createObjectURL(new Blob([traits._esm], { type: "text/javascript" }));
  const widget = (await import(url)).default();
  await widget.initialize({ model: newModel(traits), signal });
  return widget;
}

const panel = await started(given.panel);
await panel.render({ el: /** @type {HTMLElement} */ (document.getElementById("panel")), host });

export {};
