"""``POST /v1/moderations``: a search for a few dozen words, enough to try a guard with. It is not a real moderation.

Source of the shape and the categories: the API reference, "Create moderation".
"""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..api_errors import invalid_type, missing_parameter
from ..realtime.conversation_state import new_id
from .http_body import json_response, read_json
from .json_fields import Fields

NOTICE = (
    "This is a list of a few dozen English words on the local server, not a model: it knows neither context nor "
    "intent, and finds nothing in pictures. Do not rely on it."
)
CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
_PATTERNS = {
    "harassment": r"idiots?|morons?|imbeciles?|losers?|scumbags?|shut up|(?:you are|you're) (?:stupid|worthless)",
    "harassment/threatening": r"(?:i will|i'll|going to|gonna) (?:kill|hurt|shoot|stab|beat) you",
    "hate": r"subhumans?|vermin|(?:master|inferior) race",
    "illicit": r"shoplift\w*|pickpocket\w*|counterfeit\w*|cocaine|heroin|meth(?:amphetamine)?",
    "illicit/violent": r"pipe bombs?|(?:build|make) a bomb|molotov\w*",
    "self-harm": r"suicides?|suicidal|self[- ]harm|kill(?:ing)? (?:myself|yourself)|cut(?:ting)? myself",
    "self-harm/intent": r"(?:want|going) to (?:die|kill myself|end my life)|end my life",
    "sexual": r"porn\w*|erotica?|nudes?",
    "violence": r"kill(?:s|ed|ing)?|murder\w*|stab(?:s|bed|bing)?|massacres?|behead\w*|assassinat\w*",
    "violence/graphic": r"behead\w*|dismember\w*|disembowel\w*|gore",
}
_WORDS = {name: re.compile(rf"\b(?:{pattern})\b", re.I) for name, pattern in _PATTERNS.items()}


async def post(request: Request) -> Response:
    """Answer."""
    fields = await read_json(request)
    texts = _texts(fields)
    return json_response(
        {
            "id": new_id("modr"),
            "model": fields.text("model", "local-words"),
            "results": [_result(text) for text in texts],
        }
    )


def _texts(fields: Fields) -> list[str]:
    """Return the texts to check; the parts of one message are one text."""
    given = fields.data.get("input")
    if given is None:
        raise missing_parameter("input")
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list):
        raise invalid_type("input", "a string or an array", given)
    if all(isinstance(text, str) for text in given):
        return given
    parts = fields.objects("input")
    return ["\n".join(part.text("text") for part in parts if part.one_of("type", ("text", "image_url")) == "text")]


def _result(text: str) -> dict[str, Any]:
    found = {name: bool(name in _WORDS and _WORDS[name].search(text)) for name in CATEGORIES}
    return {
        "flagged": any(found.values()),
        "categories": found,
        "category_scores": {name: float(value) for name, value in found.items()},
        "category_applied_input_types": {name: ["text"] if value else [] for name, value in found.items()},
        "notice": NOTICE,
    }
