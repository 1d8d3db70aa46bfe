"""A brain behind any text endpoint that speaks OpenAI's Chat Completions: a cascade's middle step."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from ...media.sentences import split_sentences
from ...protocol.parts import LocalPart
from ...secrecy import Secret, basic, check_key, hide, split_address
from ..api_errors import ApiError
from ..realtime.conversation_state import ItemState
from .brain import CallTool, Context, Say

if TYPE_CHECKING:
    from openai import AsyncOpenAI

#: Replaces a picture that the model cannot see.
UNSEEN = "[A picture was shown here, which you cannot see. Say so if it matters.]"
# Some servers leave the model's thoughts in front of the answer.
_THINKS, _THOUGHT = "<think>", "</think>"
#: Makes a text model's answers fit for speech.
SPOKEN = "Your answers are spoken aloud: use short plain sentences, no lists, no markup, no emoji."


class OpenAICompatibleBrain:
    """Streams answers from a text model and says them sentence by sentence.

    `sees`: whether the model takes pictures; if it does not, it is told that there was one.
    `options`: more fields of each request.
    """

    name = "local-cascade"
    vocabulary: Sequence[str] = ()

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str | None = None,
        *,
        sees: bool = True,
        options: Mapping[str, Any] | None = None,
    ):
        self.description = f"Answers are written by the text model {model}."
        self._base_url, self._user, self._query = split_address(base_url)
        self._model = model
        self.part = LocalPart(f"{model} at {urlsplit(self._base_url).netloc}")
        self._api_key = Secret.of_key(api_key or "none")
        check_key(self._api_key)
        self._sees = sees
        self._options = options or {}
        self._client: AsyncOpenAI | None = None

    async def respond(self, context: Context) -> AsyncGenerator[Say | CallTool, None]:
        """Answer; a sentence is said as soon as the next one has begun.

        Raises `ApiError` if the endpoint cannot be reached, or refuses.
        """
        from openai import OpenAIError  # takes seconds to import, and only this brain needs it

        try:
            async with contextlib.aclosing(self._stream(context)) as actions:
                async for action in actions:
                    yield action
        except OpenAIError as error:
            raise ApiError(
                f"The text model {self._model} did not answer: {hide(str(error))}", type="server_error"
            ) from error

    async def _stream(self, context: Context) -> AsyncGenerator[Say | CallTool, None]:
        options: dict[str, Any] = dict(self._options)
        if context.tools:
            options["tools"] = [_tool(tool) for tool in context.tools]
            options["tool_choice"] = _tool_choice(context.required_tool)
        stream = await self._opened().chat.completions.create(
            model=self._model, messages=messages_of(context, sees=self._sees), stream=True, **options
        )
        text = ""
        calls: dict[int, list[str]] = {}
        async with stream:
            async for chunk in stream:
                for choice in chunk.choices[:1]:
                    for call in choice.delta.tool_calls or ():
                        name, arguments = calls.setdefault(call.index, ["", ""])
                        made = call.function
                        if made:
                            calls[call.index] = [name + (made.name or ""), arguments + (made.arguments or "")]
                    text += choice.delta.content or ""
                if (thoughts := text.lstrip()).startswith(_THINKS):
                    if _THOUGHT not in thoughts:
                        continue
                    text = thoughts.partition(_THOUGHT)[2].lstrip()
                *whole, text = split_sentences(text) or [""]
                for sentence in whole:
                    if sentence.strip():
                        yield Say(sentence)
        if text.strip() and not text.lstrip().startswith(_THINKS):
            yield Say(text)
        for name, arguments in calls.values():
            yield CallTool(name, arguments or "{}")

    def _opened(self) -> AsyncOpenAI:
        if self._client is None:
            from openai import AsyncOpenAI

            self._client = AsyncOpenAI(
                base_url=self._base_url,
                api_key=self._api_key,
                max_retries=1,
                default_headers={"Authorization": f"Basic {basic(self._user)}"} if self._user else None,
                default_query=dict(parse_qsl(self._query, keep_blank_values=True)),
            )
        return self._client

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()


def messages_of(context: Context, *, sees: bool = True) -> list[Any]:
    """Return the conversation as Chat Completions messages, with a remark in place of pictures it cannot see."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": f"{context.instructions}\n\n{SPOKEN}".strip()}]
    for entry in context.entries:
        if entry.type == "function_call":
            _add_call(messages, entry)
        elif entry.type == "function_call_output":
            messages.append({"role": "tool", "tool_call_id": entry.call_id, "content": entry.output})
        elif entry.role == "user" and not sees and any(part.type == "input_image" for part in entry.parts):
            messages.append({"role": "user", "content": f"{entry.said} {UNSEEN}".strip()})
        elif entry.role == "user" and any(part.image_url for part in entry.parts):
            messages.append({"role": "user", "content": [_part(part) for part in entry.parts]})
        elif entry.said:
            messages.append({"role": entry.role, "content": entry.said})
    return messages


def _add_call(messages: list[dict[str, Any]], entry: ItemState) -> None:
    """Add a call to the assistant's message that made it; calls made together are one message."""
    call = {
        "id": entry.call_id,
        "type": "function",
        "function": {"name": entry.name, "arguments": entry.arguments or "{}"},
    }
    if messages[-1]["role"] == "assistant":
        messages[-1].setdefault("tool_calls", []).append(call)
    else:
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})


def _part(part: Any) -> dict[str, Any]:
    if part.type == "input_image":
        return {"type": "image_url", "image_url": {"url": part.image_url, "detail": part.detail or "auto"}}
    return {"type": "text", "text": part.said}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    """Return a function in the nested shape of Chat Completions."""
    return {"type": "function", "function": {name: value for name, value in tool.items() if name != "type"}}


def _tool_choice(required: str | None) -> Any:
    if required in (None, "*"):
        return "required" if required else "auto"
    return {"type": "function", "function": {"name": required}}
