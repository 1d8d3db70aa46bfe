"""What must not be written down: keys and other secrets, wherever they turn up."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

#: What stands in the place of a secret.
HIDDEN = "[hidden]"

_VARIABLES = ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "REALTIME_NB_API_KEY", "OPENAI_ADMIN_KEY")
# Shorter ones, like the "none" that some servers want, are words that people say.
_SHORTEST = 8
#: OpenAI's keys and client secrets, and what follows "Bearer" in a header.
_PATTERNS = re.compile(rb"\b(?:sk|ek|rt)[-_][A-Za-z0-9_-]{16,}|(?<=Bearer )[A-Za-z0-9._~+/=-]{8,}")
_NAMES = frozenset(
    "authorization proxy-authorization api-key apikey x-api-key api_key access_token refresh_token auth_token "
    "bearer_token client_secret password secret cookie".split()
)
_ADDRESSES = frozenset({"server_url", "base_url", "url"})


class Secrets:
    """Hides secrets in what is about to be written.

    Parameters
    ----------
    known : iterable of str
        Secrets that are known; those of the environment are added.
    """

    def __init__(self, known: Iterable[str] = ()):
        found = {secret.strip() for secret in [*known, *(os.environ.get(name, "") for name in _VARIABLES)]}
        # As they are inside JSON.
        self._known = [json.dumps(secret)[1:-1].encode() for secret in found if len(secret) >= _SHORTEST]

    def are_in(self, data: bytes) -> bool:
        """Whether one of those that are known is in there, as it is."""
        return any(secret in data for secret in self._known)

    def hide(self, text: bytes) -> bytes:
        """Return JSON text without the secrets that are known or look like one."""
        for secret in self._known:
            if secret in text:
                text = text.replace(secret, HIDDEN.encode())
        return _PATTERNS.sub(HIDDEN.encode(), text)

    def hide_named(self, tree: Any, *, in_headers: bool = False) -> Any:
        """Return a JSON value without what is named like a secret, all headers, and queries of servers' addresses."""
        if isinstance(tree, list):
            return [self.hide_named(each) for each in tree]
        if not isinstance(tree, dict):
            return tree
        return {key: self._hidden(key, value, in_headers) for key, value in tree.items()}

    def _hidden(self, key: str, value: Any, in_headers: bool) -> Any:
        name = str(key).lower()
        if isinstance(value, str) and value:
            if in_headers or name in _NAMES:
                return HIDDEN
            return bare_address(value) if name in _ADDRESSES else value
        if name == "client_secret":
            return HIDDEN if value else value
        return self.hide_named(value, in_headers=name == "headers")


def bare_address(address: str) -> str:
    """Return an address without user, query and fragment, where secrets are carried."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return HIDDEN
    if not parts.scheme or not host:
        return address.partition("?")[0]
    host = f"[{host}]" if ":" in host else host
    return urlunsplit((parts.scheme, f"{host}:{port}" if port else host, parts.path, "", ""))
