"""Hide keys and other secrets wherever they might be shown or written down.

Keys are held as `Secret`, whose ``repr`` is masked, so no traceback with variables shows them. Whatever was once held
this way is hidden from then on: in what libraries log (`_clean`), in errors and in recordings (`Secrets`). An address
is only shown as its `bare_address`.

Floor 0.
"""

from __future__ import annotations

import base64
import functools
import json
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit, urlunsplit

from .display import printable
from .errors import SettingsError

#: What stands in place of a secret.
HIDDEN = "[hidden]"

_VARIABLES = ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "REALTIME_NB_API_KEY", "OPENAI_ADMIN_KEY")
#: Those of the local server, and of the text endpoint behind it.
SERVER_KEY, BRAIN_KEY = "REALTIME_NB_SERVER_KEY", "REALTIME_NB_BRAIN_KEY"
#: Variables with addresses, which may hold a secret.
ADDRESSES = ("OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT", "REALTIME_NB_BASE_URL")
# Shorter ones may be plain words, like the "none" that some servers want.
_SHORTEST = 8
#: OpenAI's keys and client secrets, and what follows a scheme in a header or a name in a browser's subprotocol.
_PATTERNS = re.compile(
    rb"\b(?:sk|ek|rt)[-_][A-Za-z0-9_-]{16,}"
    rb"|(?:(?<=Bearer )|(?<=Basic )|(?<=openai-insecure-api-key\.))[A-Za-z0-9._~+/=-]{8,}"
)
_NAMES = frozenset(
    "authorization proxy-authorization api-key apikey x-api-key api_key access_token refresh_token auth_token "
    "bearer_token client_secret password secret cookie".split()
)
#: What people call the secrets that an object of their own holds. An event's fields may be called so, too.
_OWN_NAMES = re.compile(r"(?:key|token|secret|password|passwd|credentials?|auth)$", re.IGNORECASE)
#: Parts of a query that are not secret and turn up elsewhere.
_HARMLESS = re.compile("version|model|deployment|region|voice|language", re.IGNORECASE)
_ADDRESSES = frozenset({"server_url", "base_url", "url"})
_NAMED = (*_NAMES, *_ADDRESSES, "client_secret", "headers")
#: Libraries that log what they send and receive; for other loggers nothing changes.
_LOGGERS = frozenset(
    "websockets httpx httpx2 httpcore httpcore2 h11 h2 hpack openai asyncio uvicorn realtime_nb".split()
)
#: Every text that was ever held as a `Secret`.
_held: set[str] = set()
_factory: object = None
#: Prefix of the stand-in for a key that is not text; real keys never begin with it.
_NO_TEXT = "\0"


class Secret(str):
    """A text that is sent but not shown: its ``repr`` is masked, also where it is cut.

    ``str``, f-strings and ``encode`` give the real text, to send it.
    """

    __slots__ = ()

    def __new__(cls, text: str = "") -> Secret:
        """Hold a text, and hide it in what libraries log from now on."""
        if text and text not in _held:
            _held.add(str(text))
            if logging.getLogRecordFactory() is not _factory:
                _watch_logs()
        return super().__new__(cls, text)

    @classmethod
    def of_key(cls, key: object) -> Secret:
        """Hold a key as it is given; if it is not text, only its type, so that `check_key` refuses it.

        No frame below holds it then, so no traceback with variables shows it.
        """
        return cls(key or "") if isinstance(key, str | None) else cls.around(_NO_TEXT + type(key).__name__)

    @classmethod
    def around(cls, text: str) -> Secret:
        """Mask a text that holds a secret which is known already."""
        return super().__new__(cls, text)

    def __repr__(self) -> str:
        return repr(HIDDEN) if self else "''"

    def __getitem__(self, index: Any) -> Secret:
        # rich cuts long texts before it shows them.
        return self.around(super().__getitem__(index))

    def strip(self, chars: str | None = None) -> Secret:
        """Return it without white space around it."""
        return type(self)(super().strip(chars))


def check_key(key: str) -> None:
    """Raise `SettingsError` if a key cannot be sent: a library would show it in its error."""
    if key.startswith(_NO_TEXT):
        raise SettingsError(
            f"api_key must be a str, but is of type {key.removeprefix(_NO_TEXT)}: give the text of the key, such as "
            "key.decode() for bytes or key.get_secret_value() for a SecretStr"
        )
    if not (key.isascii() and key.isprintable()):
        raise SettingsError("the API key holds characters that no key has: copy it again")


def masked(given: Any) -> Any:
    """Return an address that may hold a secret as a `Secret`, while a variable holds it."""
    return Secret.around(given) if isinstance(given, str) and ("@" in given or "?" in given) else given


class QuietLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger that drops DEBUG records, for a library that logs there what it sends and receives."""

    def isEnabledFor(self, level: int) -> bool:
        """Return whether a record of this level is logged."""
        return level > logging.DEBUG and super().isEnabledFor(level)


class Secrets:
    """Hides secrets in what is about to be written.

    `alone`: whether to hide only these. Otherwise those in the environment, and every `Secret` that this process ever
    held, are hidden too.
    """

    def __init__(self, known: Iterable[str] = (), *, alone: bool = False):
        given = [*known]
        if not alone:
            addresses = (part for name in ADDRESSES for part in _parts(os.environ.get(name, "")))
            given += [*list(_held), *(os.environ.get(name, "") for name in _VARIABLES), *addresses]
        found = {secret.strip() for secret in given if len(secret.strip()) >= _SHORTEST}
        # The longest come first: one may be part of another.
        self._known = sorted({form for each in found for form in _forms(each)}, key=len, reverse=True)
        self._found = sorted(found, key=len, reverse=True)

    def are_in(self, data: bytes) -> bool:
        """Return whether the data holds a known secret."""
        return any(secret in data for secret in self._known)

    def hide(self, text: bytes) -> bytes:
        """Return JSON text without known secrets and what looks like one."""
        return _PATTERNS.sub(HIDDEN.encode(), self.hide_known(text))

    def hide_known(self, text: bytes) -> bytes:
        """Return JSON text without known secrets."""
        for secret in self._known:
            if secret in text:
                text = text.replace(secret, HIDDEN.encode())
        if b"\\/" in text or b"\\u00" in text:
            for each in self._found:
                text = _escaped(each).sub(HIDDEN.encode(), text)
        return text

    @staticmethod
    def may_be_named_in(text: bytes) -> bool:
        """Return whether JSON text may hold what `hide_named` hides; to look is quicker than to hide."""
        lower = text.decode("utf-8", "replace").lower()
        return any(f'"{name}"' in lower for name in _NAMED)

    def hide_named(self, tree: Any, *, in_headers: bool = False) -> Any:
        """Return a JSON value without fields named like a secret, headers, and queries of servers' addresses."""
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


def _forms(secret: str) -> Iterator[bytes]:
    """Yield a secret as it is written inside JSON and inside an address."""
    yield json.dumps(secret)[1:-1].encode()
    for quoted in (quote(secret), quote(secret, ""), quote_plus(secret)):
        yield quoted.encode()
        yield re.sub("%..", lambda found: found[0].lower(), quoted).encode()


@functools.cache
def _escaped(secret: str) -> re.Pattern[bytes]:
    """Return a pattern for a secret inside JSON, where each character may be escaped, as PHP does with each slash."""
    letters = ((re.escape(each), f"{ord(each):04x}", "|/" if each == "/" else "") for each in secret)
    return re.compile("".join(rf"(?:{own}|\\(?i:u{code}{more}))" for own, code, more in letters).encode())


def hide(text: str) -> str:
    """Return a text without known secrets and what looks like one."""
    return Secrets().hide(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def as_shown(value: str, name: str = "") -> str:
    """Return a text as it may be written down, given its name in an object of somebody's own."""
    if value and (isinstance(value, Secret) or name.lower() in _NAMES or _OWN_NAMES.search(name)):
        return HIDDEN
    return bare_address(value) if re.fullmatch(r"\w+://\S+", value) else value


def secrets_of(address: str, headers: Mapping[str, str]) -> Secrets:
    """Return the secrets that a request carries."""
    return Secrets([*_parts(address), *(value.rpartition(" ")[2] for value in headers.values())], alone=True)


def split_address(address: str) -> tuple[str, Secret, Secret]:
    """Return an address without its user part and query, its user part, and its query."""
    parts = urlsplit(address)
    user = unquote(parts.netloc.rpartition("@")[0])
    for each in _parts(address):
        Secret(each)
    return bare_address(address).rstrip("/"), Secret.around(user), Secret.around(parts.query)


def _parts(address: str) -> list[str]:
    """Return the secrets in an address: parts of its user part and its query."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return []
    user = unquote(parts.netloc.rpartition("@")[0])
    # Of an address no part of the query is shown; but elsewhere a version or a model are words like others.
    values = [value for name, value in parse_qsl(parts.query) if not _HARMLESS.search(name)]
    query = parts.query if values else ""
    return [each for each in (user.partition(":")[2], user, basic(user), query, *values) if each]


def basic(user: str) -> str:
    """Return a user part in the form of the Authorization header."""
    return base64.b64encode(user.encode()).decode() if user else ""


def bare_address(address: str) -> str:
    """Return an address without user, query and fragment, which may hold secrets."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return HIDDEN
    place = parts.netloc.rpartition("@")[2]
    if not parts.scheme or not place:
        return address.partition("?")[0].rpartition("@")[2]
    port = place.rpartition("]")[2].partition(":")[2]
    if port and not port.isdigit():
        return HIDDEN  # It may be a password with a / in it.
    return urlunsplit((parts.scheme, place, parts.path, "", ""))


def without_keys() -> dict[str, str]:
    """Return the environment for a process that needs no key."""
    kept = (*_VARIABLES, SERVER_KEY, BRAIN_KEY, *ADDRESSES)
    return {name: value for name, value in os.environ.items() if name not in kept}


def shown_cause(error: BaseException) -> BaseException | None:
    """Return a library's error and its causes without frames: their variables hold headers and addresses.

    `None` if one of them holds a secret, or is not safe for a terminal.
    """
    each: BaseException | None = error
    seen = set()
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        each.__traceback__ = None
        # Frames of ours, and of the standard library's above them, may hold it, too.
        each.args = tuple(printable(hide(part)) if isinstance(part, str) else part for part in each.args)
        said = str(each)
        if printable(hide(said)) != said:
            return None
        each = each.__cause__ or each.__context__
    return error


def _watch_logs() -> None:
    """Hide secrets in what libraries log from now on, in every handler."""
    global _factory
    make = logging.getLogRecordFactory()

    def record_of(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = make(*args, **kwargs)
        if record.name.partition(".")[0] in _LOGGERS:
            _clean(record)
        return record

    _factory = record_of
    logging.setLogRecordFactory(record_of)


def _clean(record: logging.LogRecord) -> None:
    """Hide secrets in a record's message, arguments and exception."""
    try:
        message = record.getMessage()
        said = f"{message} {record.args!r}"
    except Exception:  # A handler would print the arguments as they are.
        record.msg, record.args = hide(str(record.msg)), ()
    else:
        if hide(said) != said:
            record.msg, record.args = hide(message), ()
    if record.exc_info:
        record.exc_text = hide(logging.Formatter().formatException(record.exc_info))
