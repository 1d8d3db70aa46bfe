"""Scripts that send some sockets of a page and its workers to a port where nothing listens."""

from __future__ import annotations

_SCRIPT = """
(() => {
  const barrier = `self.WebSocket = class extends self.WebSocket {
    constructor(url, protocols) { super(ALLOWED ? url : "ws://127.0.0.1:9/", protocols); }
  };`;
  (0, eval)(barrier);
  self.Worker = class extends self.Worker {
    constructor(url, options) {
      if (options?.type !== "module") { super(url, options); return; }
      const text = `import ${JSON.stringify(String(url))}; ${barrier}`;
      super(URL.createObjectURL(new Blob([text], { type: "text/javascript" })), options);
    }
  };
})();
"""

#: Every socket but Jupyter's own, or the bare page's: as in front ends that have only the comm.
NO_SOCKETS = _SCRIPT.replace("ALLOWED", r"/\\/api\\/|\\/comm$/.test(url)")
#: Ports that are not the page's: as on a page whose kernel is elsewhere.
NO_LOOPBACK_PORT = _SCRIPT.replace("ALLOWED", "new URL(url).port === new URL(self.origin).port")
#: No worker: as under a content security policy that forbids them.
NO_WORKER = """
self.Worker = class { constructor() { throw new DOMException("forbidden", "SecurityError"); } };
"""
