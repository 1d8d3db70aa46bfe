#!/usr/bin/env bash
# jupyter-server-proxy 4.6.0: when the server behind it closes a WebSocket with a code and a reason, the client gets
# neither (1005, "no status received"); and when the client closes with a code, the server does not get it.
#
# You would expect that both are passed on with the messages, as RFC 6455 §7.4.2 leaves 4000 to 4999 to applications: a
# server's last message ("your session has expired: do not come again") is lost on Binder and JupyterHub.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jupyter-server==2.21.1 jupyter-server-proxy==4.6.0 \
  websockets==15.0.1
cd "$folder"
export JUPYTER_DATA_DIR="$folder/data" JUPYTER_RUNTIME_DIR="$folder/runtime" JUPYTER_CONFIG_DIR="$folder/config"
venv/bin/python - <<'PYTHON'
import asyncio
import socket
import subprocess
import urllib.request
from importlib.metadata import version

import websockets

told = asyncio.Queue()


async def behind(connection):
    if "expired" in connection.request.path:
        await connection.send("hello")
        await connection.close(4001, "session expired")
    else:
        await connection.wait_closed()
        await told.put((connection.close_code, connection.close_reason))


def is_up(url):
    try:
        return urllib.request.urlopen(url).status == 200
    except OSError:
        return False


async def main():
    async with websockets.serve(behind, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            jupyter_port = free.getsockname()[1]
        options = ["--no-browser", "--allow-root", "--ServerApp.root_dir=.", "--IdentityProvider.token=t"]
        command = ["venv/bin/jupyter-server", *options, f"--port={jupyter_port}"]
        jupyter = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(300):
                if await asyncio.to_thread(is_up, f"http://127.0.0.1:{jupyter_port}/api/status?token=t"):
                    break
                await asyncio.sleep(0.1)
            heard = {}
            for road, start in (
                ("direct", f"ws://127.0.0.1:{port}"),
                ("proxy", f"ws://127.0.0.1:{jupyter_port}/proxy/{port}"),
            ):
                async with websockets.connect(f"{start}/expired?token=t") as connection:
                    assert await connection.recv() == "hello"
                    await connection.wait_closed()
                async with websockets.connect(f"{start}/?token=t") as other:
                    await other.close(4002, "had enough")
                heard[road] = (connection.close_code, connection.close_reason), await asyncio.wait_for(told.get(), 10)
            return heard
        finally:
            jupyter.terminate()
            jupyter.wait()


heard = asyncio.run(main())
print(f"jupyter-server-proxy {version('jupyter-server-proxy')}, (what the client heard, what the server heard): {heard}")
assert heard["direct"] == ((4001, "session expired"), (4002, "had enough"))
assert heard["proxy"] == ((1005, ""), (1005, ""))
PYTHON
