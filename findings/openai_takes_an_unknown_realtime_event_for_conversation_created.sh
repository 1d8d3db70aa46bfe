#!/usr/bin/env bash
# openai 3.57.0: a Realtime server's event of a type that the library does not know becomes a ConversationCreatedEvent,
# whose conversation is None; an item of an unknown type becomes a system message without a role.
#
# You would expect a base class or a dict, as the API adds events and items, and as isinstance is how Python tells classes
# apart. Only `type` is true to what the server sent.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openai==3.57.0 websockets==15.0.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import asyncio
import json
from importlib.metadata import version

import openai
import websockets
from openai.types.realtime import ConversationCreatedEvent

EVENTS = [
    {"type": "response.output_video.delta", "event_id": "event_1", "delta": "AAAA"},
    {"type": "conversation.item.added", "event_id": "event_2", "item": {"id": "item_1", "type": "web_search_call"}},
]


async def serve(socket):
    for event in EVENTS:
        await socket.send(json.dumps(event))
    await socket.wait_closed()


async def main():
    async with websockets.serve(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = openai.AsyncOpenAI(api_key="none", websocket_base_url=f"ws://127.0.0.1:{port}/v1")
        async with client.realtime.connect(model="m") as connection:
            return [await connection.recv() for _ in EVENTS]


video, added = asyncio.run(main())
print(f"openai {version('openai')}: {video.type} is a {type(video).__name__} with conversation={video.conversation}")
print(f"an item of type {added.item.type} is a {type(added.item).__name__} with role={added.item.role}")
assert isinstance(video, ConversationCreatedEvent) and video.conversation is None
assert type(added.item).__name__ == "RealtimeConversationItemSystemMessage" and added.item.role is None
PYTHON
