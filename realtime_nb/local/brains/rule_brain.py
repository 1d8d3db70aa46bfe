"""The brain without a model: simple rules, tools chosen by their schemas, and examples for everything else."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

from ...protocol.parts import LocalPart
from ..endpoints.json_fields import is_too_deep
from ..realtime.conversation_state import ItemState
from . import rules
from .brain import CallTool, Context, Say
from .rules import asks_about_pictures, describe, last_shown, remark_on, shown_since_answer
from .tool_matching import Wish, answered, split_words, wish

_VERBATIM = re.compile(
    r"word for word|verbatim|exactly as (?:it is |they are )?(?:written|given)|read .*\baloud\b", re.I
)
_SAY = (
    r"^\s*(?:please\s+)?(?:just\s+|only\s+)?(?:say|repeat|speak|answer|reply|respond)"
    r"(?:\s+(?:with|exactly|only|just|the following|this|back|aloud))*"
)
_SAY_QUOTED = re.compile(_SAY + r"\s*[:,]?\s*[\"“](.+)[\"”]\W*$", re.I | re.S)
_SAY_AFTER_COLON = re.compile(_SAY + r"\s*:\s*(\S.*)$", re.I | re.S)
_SAY_PLAIN = re.compile(
    r"^\s*(?:please\s+)?(?:say|repeat)(?:\s+(?:exactly|only|just|the following|this))*\s+(\S.*)$", re.I | re.S
)
# If a tool raised, its exception is told, without the name of its class.
_EXCEPTION = re.compile(r"^\w*(?:Error|Exception): ")
_LONGEST_CHAIN = 6
_MOST_FACTS = 8
_LONGEST_ECHO = 500
_YES = re.compile(r"\W*(?:yes|yeah|yep|right|correct|exactly|sure|i did|that is right|that's right)\b", re.I)


class RuleBrain:
    """Answers with the first that fits: words it is told to say, tools' results, tools, rules, examples to try.

    If something was heard badly, it asks before it repeats it or acts on it; "yes" confirms it.
    """

    name = "local-rules"
    description = "There is no language model: answers come from a list of rules."
    part = LocalPart.of_package("rules, no language model", "realtime-nb", "MIT")
    vocabulary: Sequence[str] = (
        "what can you do",
        "tell me a story",
        "tell me a joke",
        "count to ten",
        "count to twenty",
        "what is three plus four",
        "spell the word hello",
        "repeat after me",
        "what did i say",
        "what is my name",
        "what time is it",
        "are you a human",
    )

    async def respond(self, context: Context) -> AsyncGenerator[Say | CallTool, None]:
        """Answer."""
        context = _confirmed(context)
        if context.is_unsure:
            yield Say(_doubt(context.utterance))
            return
        told = _told(context) or _aside(context)
        if told:
            yield Say(told)
            return
        results = _results(context.entries)
        if results:
            yield Say(" ".join(results))
            return
        wanted = _wish(context.entries, context.tools, context.required_tool)
        if wanted:
            # A call that must be made is made, even if little is known.
            if wanted.missing and not context.required_tool:
                yield Say(wanted.question)
            else:
                yield CallTool(wanted.tool["name"], wanted.arguments)
            return
        # Decoding a large picture takes a second, and other sessions must not wait for it.
        yield Say(await asyncio.to_thread(_chat, context) if _shown(context) else _chat(context))


def _told(context: Context) -> str | None:
    """Return the words that the instructions tell it to say."""
    own = context.own_instructions
    if own is not None:
        if _VERBATIM.search(own) and context.utterance:
            return context.utterance
        plain = _SAY_PLAIN.match(own)
    else:
        plain = None
    instructions = own if own is not None else context.instructions
    found = _SAY_QUOTED.match(instructions) or _SAY_AFTER_COLON.match(instructions) or plain
    return found.group(1).strip() if found else None


def _aside(context: Context) -> str | None:
    """Return a remark about the conversation, if its own instructions or the last line ask for one."""
    if context.own_instructions is not None:
        return remark_on(context.own_instructions, context.entries)
    last = context.last
    return remark_on(last.said, context.entries[:-1]) if last is not None and last.role == "user" else None


def _results(entries: Sequence[ItemState]) -> list[str]:
    """Return in words what the tools have answered since someone last spoke."""
    results: list[str] = []
    for entry in reversed(entries):
        if entry.type == "function_call_output":
            results.insert(0, in_words(entry.output))
        elif entry.type != "function_call":
            break
    return results


def in_words(output: str) -> str:
    """Return a tool's output as sentences: ``{"sky": "cloudy"}`` is "The sky is cloudy."."""
    try:
        data = json.loads(output)
    except (ValueError, RecursionError):
        data = output
    if is_too_deep(data):
        data = output
    if isinstance(data, dict) and data.get("error"):
        return f"That did not work: {_EXCEPTION.sub('', _value(data['error'])).rstrip('.')}."
    if isinstance(data, dict):
        facts = [f"{_name(name)} is {_value(value)}" for name, value in _flat(data)][:_MOST_FACTS]
        return f"The {', the '.join(facts)}." if facts else "It is done."
    said = _value(data).strip()
    if not said or data is None:
        return "It is done."
    return said if said[-1] in ".?!" else f"{said[:1].upper()}{said[1:]}."


def _flat(data: dict[str, Any]) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in data.items():
        inner = value.items() if isinstance(value, dict) else ()
        pairs += [(f"{name} {other}", deep) for other, deep in inner] or [(name, value)]
    return pairs


def _name(name: str) -> str:
    return " ".join(split_words(name)) or name


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_value(item) for item in value[:_MOST_FACTS]) or "nothing"
    if isinstance(value, dict):
        return ", ".join(f"{_name(name)} {_value(item)}" for name, item in list(value.items())[:_MOST_FACTS])
    return "nothing" if value is None else str(value)


def _wish(entries: Sequence[ItemState], tools: Sequence[dict[str, Any]], required: str | None) -> Wish | None:
    """Return the tool that the person asks for, perhaps by answering a question about its arguments."""
    messages = [entry for entry in entries if entry.role in ("user", "assistant")][-_LONGEST_CHAIN:]
    if not tools or not messages or (messages[-1].role != "user" and required is None):
        return None
    wanted: Wish | None = None
    question = ""
    for message in messages:
        if message.role == "assistant":
            question = message.said
        elif wanted and wanted.missing and question.strip() == wanted.question:
            more = answered(wanted, message.said)
            # This does not answer the question: it may be another wish, or none.
            wanted = more if more.missing != wanted.missing else wish(message.said, tools)
        else:
            wanted = wish(message.said, tools)
    if wanted is None or (required not in (None, "*", wanted.tool["name"])):
        wanted = wish(messages[-1].said, tools, required) if required else None
    return wanted


def _shown(context: Context) -> bool:
    return any(part.type == "input_image" for entry in context.entries for part in entry.parts)


def _chat(context: Context) -> str:
    if context.is_silence:
        return "Are you still there?"
    said = context.utterance.strip()
    last = context.last
    if last is None or last.role != "user":
        return "Hello! I am the local voice. Say something, or ask me what I can do."
    shown = shown_since_answer(context.entries)
    if shown and (not said or asks_about_pictures(said)):
        return describe(shown)
    if not said:
        return "I heard you, but I could not make out any words."
    messages = [entry for entry in context.entries if entry.role in ("user", "assistant")]
    said_before = next((entry.said for entry in reversed(messages) if entry.role == "assistant"), "")
    heard = [entry.said for entry in messages if entry.role == "user" and entry.said]
    before = heard[-2] if len(heard) > 1 else ""
    answer = rules.answer(said, said_before=said_before, heard_before=before, all_heard=heard)
    if answer is None and (shown or asks_about_pictures(said)) and (found := shown or last_shown(context.entries)):
        return describe(found)
    examples = " ".join(f"“{example}”" for example in rules.EXAMPLES)
    return answer or (
        f"I heard: “{_cut(said)}” I have no rule for that, and there is no language model here. Try: {examples}"
    )


def _cut(said: str) -> str:
    return said if len(said) <= _LONGEST_ECHO else f"{said[:_LONGEST_ECHO].rsplit(maxsplit=1)[0]} …"


_DOUBT = "I'm not sure I heard that:"


def _doubt(said: str) -> str:
    return f"{_DOUBT} {' '.join(_cut(said).split()).rstrip(' .?!…')}? Say yes, or say it again."


def _confirmed(context: Context) -> Context:
    """Return the conversation without doubts of ours that the person has resolved by a "yes"."""
    if len(context.entries) < 3 or context.is_unsure:
        return context
    *before, doubted, doubt, answer = context.entries
    # A "yes" before the end of the question has cut the question off.
    asked = " ".join(doubt.said.split())
    is_ours = doubt.role == "assistant" and asked.startswith(_DOUBT) and _doubt(doubted.said).startswith(asked)
    if not is_ours or answer.role != "user" or not _YES.match(answer.said):
        return context
    sure = replace(doubted, parts=[replace(part, confidence=None) for part in doubted.parts])
    return _confirmed(replace(context, entries=[*before, sure]))
