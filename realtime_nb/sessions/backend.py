"""The server to connect to, its key, and its defaults."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from ..conversation.costs import Charge
from ..errors import MissingKey, ServerError, SettingsError
from ..local.process import local_voice, parts_at
from ..pricing.prices import find_price, price_holds, price_table
from ..protocol.parts import DEFAULT_MODEL, LocalParts
from ..secrecy import ADDRESSES, HIDDEN, Secret, bare_address, basic, check_key, hide, masked, split_address

#: Azure's version of the GA Realtime protocol's address.
AZURE_API_VERSION = "2025-08-28"
#: The variables that hold the keys of backends, by name; other servers' is REALTIME_NB_API_KEY.
_KEY_VARIABLES = {"openai": "OPENAI_API_KEY", "azure": "AZURE_OPENAI_API_KEY", "local": ""}
#: The local voice's models by the brain that answers.
LOCAL_MODELS = {"auto": DEFAULT_MODEL, "rules": "local-rules", "script": "local-script"}


@dataclass(frozen=True, init=False)
class Backend:
    """A server that speaks the Realtime protocol.

    Make one with `Backend.find`, or with `openai`, `azure_openai`, `at` or `local`. The key is never shown or pickled,
    and neither are the user part and the query of the address, which may hold secrets too. An unpickled backend reads
    them from its environment: the key from the variable that `find` reads, the rest from ``OPENAI_BASE_URL``,
    ``AZURE_OPENAI_ENDPOINT`` or ``REALTIME_NB_BASE_URL``, if that is set to the same address.

    Parameters
    ----------
    name : str
        ``"openai"``, ``"azure"``, ``"local"``, or the host of another server.
    base_url : str
        Address up to and including ``/v1``; empty for the local voice, which starts when first needed. The user part
        and the query are taken out of it.
    api_key : str
        The key.
    model, chat_model, transcription, voice : str
        Defaults for sessions there.
    chain : tuple of str
        Default transcriber, text model and speaker of a `CascadeSession`.
    azure : bool
        Whether addresses and headers are Azure's.
    user : str
        The address's user part, ``"name:password"``, sent as Basic authorization in place of a Bearer key.
    query : str
        The address's query, added to that of each request.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> rt.Backend.find("local").model
    'local-voice'
    >>> rt.Backend.at("https://voice.example.org/v1", api_key="secret").base_url      # the key is never shown
    'https://voice.example.org/v1'
    """

    name: str
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    model: str = "gpt-realtime-2.1"
    chat_model: str = "gpt-audio-1.5"
    chain: tuple[str, str, str] = ("gpt-transcribe", "gpt-6-luna", "gpt-realtime-2.1-mini")
    transcription: str = "gpt-realtime-whisper"
    voice: str = "marin"
    azure: bool = False
    user: str = field(default="", repr=False)
    query: str = field(default="", repr=False)

    def __init__(
        self,
        name: str,
        base_url: str = "",
        api_key: str = "",
        model: str = model,
        chat_model: str = chat_model,
        chain: tuple[str, str, str] = chain,
        transcription: str = transcription,
        voice: str = voice,
        azure: bool = azure,
        user: str = "",
        query: str = "",
    ):
        # A generated `__init__` would show these secrets in a traceback with variables.
        base_url, api_key, user, query = masked(base_url), Secret.of_key(api_key), Secret(user), Secret(query)
        self.__dict__.update(name=name, model=model, chat_model=chat_model, chain=chain)
        self.__dict__.update(transcription=transcription, voice=voice, azure=azure, api_key=api_key)
        bare, own_user, own_query = _taken_apart(base_url)
        self.__dict__.update(base_url=bare, user=own_user or user, query=own_query or query)
        check_key(api_key)

    @classmethod
    def find(cls, backend: Backend | str | None = None, *, api_key: str | None = None) -> Backend:
        """Find a backend by its name or address.

        Parameters
        ----------
        backend : Backend, str or None
            A name (``"openai"``, ``"azure"``, ``"local"``), the address of a compatible server
            (``"https://…/v1"``), or `None`: OpenAI if there is a key (`api_key` or ``OPENAI_API_KEY``), otherwise the
            local voice.
        api_key : str, optional
            The key, if it is not in the environment.

        Raises
        ------
        MissingKey
            If the backend needs a key and there is none.
        SettingsError
            If the name is not known.

        Examples
        --------
        >>> import realtime_nb as rt
        >>> rt.Backend.find().name              # with no key in the environment
        'local'
        >>> rt.Backend.find("http://127.0.0.1:8080/v1").name
        '127.0.0.1'
        """
        backend, api_key = masked(backend), Secret.of_key(api_key)
        if isinstance(backend, Backend):
            return replace(backend, api_key=api_key.strip()) if api_key else backend
        if backend is None:
            backend = "openai" if _key(api_key, "OPENAI_API_KEY") else "local"
        if backend == "local":
            return cls.local()
        if backend == "openai":
            return cls.openai(api_key)
        if backend == "azure":
            return cls.azure_openai(api_key=api_key)
        if urlsplit(backend).scheme in ("http", "https", "ws", "wss"):
            return cls.at(backend, api_key)
        raise SettingsError(
            f"backend={hide(bare_address(backend))!r} is not known: "
            'give "openai", "azure", "local" or an address that begins with https://'
        )

    @classmethod
    def openai(cls, api_key: str | None = None) -> Backend:
        """OpenAI, or the server that ``OPENAI_BASE_URL`` names; the key from `api_key` or ``OPENAI_API_KEY``."""
        api_key = key = _key(api_key, "OPENAI_API_KEY")
        if not key:
            raise MissingKey("openai", "OPENAI_API_KEY")
        base_url = masked(os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1")
        return cls("openai", base_url, key)

    @classmethod
    def azure_openai(
        cls, endpoint: str | None = None, deployment: str | None = None, *, api_key: str | None = None
    ) -> Backend:
        """Azure OpenAI.

        Parameters
        ----------
        endpoint : str, optional
            ``https://NAME.openai.azure.com``; by default from ``AZURE_OPENAI_ENDPOINT``.
        deployment : str, optional
            Name of the deployment, which takes the model's place; by default from ``AZURE_OPENAI_DEPLOYMENT``.
        api_key : str, optional
            By default from ``AZURE_OPENAI_API_KEY``.
        """
        endpoint = masked(endpoint or os.environ.get("AZURE_OPENAI_ENDPOINT"))
        api_key = key = _key(api_key, "AZURE_OPENAI_API_KEY")
        if not endpoint:
            raise SettingsError("the azure backend needs an endpoint: set AZURE_OPENAI_ENDPOINT, or pass endpoint=…")
        if not key:
            raise MissingKey("azure", "AZURE_OPENAI_API_KEY")
        model = deployment or os.environ.get("AZURE_OPENAI_DEPLOYMENT") or cls.model
        return cls("azure", endpoint, key, model=model, chat_model=model, azure=True)

    @classmethod
    def at(cls, base_url: str, api_key: str | None = None) -> Backend:
        """Return a compatible server.

        Parameters
        ----------
        base_url : str
            Its address, up to and with ``/v1``.
        api_key : str, optional
            By default from ``REALTIME_NB_API_KEY``; many servers need none. OpenAI's key is never sent elsewhere.
        """
        base_url, api_key = masked(base_url), _key(api_key, "REALTIME_NB_API_KEY")
        bare, _, _ = _taken_apart(base_url)
        try:
            parts = urlsplit(bare)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise SettingsError(f"base_url={bare!r}: {error}") from None
        if not host:
            raise SettingsError(f"base_url={bare!r} has no host")
        return cls(host, base_url, api_key)

    @classmethod
    def local(cls, brain: str = "auto") -> Backend:
        """Return the voice that runs on this machine, without a key; it starts when a session first connects.

        Parameters
        ----------
        brain : {"auto", "rules", "script"}, default "auto"
            What answers. "auto": a text model that already runs on this machine, in Ollama, LM Studio or llama.cpp's
            server, if one is found when the local voice starts; otherwise rules, which are not a language model.
            "rules": always the rules. "script": a tutor that gives sentences to repeat. `parts` says which it is. To
            keep the local voice from looking for a text model at all, set ``REALTIME_NB_BRAIN=rules``; to choose one,
            set it to the address of a text endpoint, and ``REALTIME_NB_BRAIN_MODEL`` to a model there.

        Raises
        ------
        SettingsError
            If there is no such brain.
        """
        if brain not in LOCAL_MODELS:
            raise SettingsError(
                f"brain={hide(bare_address(brain))!r} is not one of {', '.join(map(repr, LOCAL_MODELS))}: "
                "for a text endpoint, set REALTIME_NB_BRAIN to its address before the local voice starts"
            )
        model = LOCAL_MODELS[brain]
        chain = ("local-transcribe", model, "local-tts")
        return cls("local", model=model, chat_model=model, transcription="local-transcribe", chain=chain)

    def __getstate__(self) -> dict[str, object]:
        """Return the state to pickle: no secrets, and no address of this machine's local voice."""
        secret = {"api_key": "", "user": "", "query": ""}
        return self.__dict__ | secret | ({"base_url": ""} if self.name == "local" else {})

    def __setstate__(self, state: dict[str, object]) -> None:
        """Restore it, with the key and the address of this environment."""
        key = _key(None, _KEY_VARIABLES.get(str(state["name"]), "REALTIME_NB_API_KEY"))
        self.__dict__.update(state | {"api_key": key})
        for address in filter(None, (os.environ.get(name) for name in ADDRESSES)):
            if bare_address(address).rstrip("/") == self.base_url:
                _, user, query = split_address(address)
                self.__dict__.update({"user": user, "query": query})

    def __copy__(self) -> Backend:
        return self  # Nothing in it changes.

    def __deepcopy__(self, memo: dict[int, object]) -> Backend:
        return self

    def located(self) -> Backend:
        """Return this backend with its address and key; starts the local voice if needed, which blocks."""
        if self.name != "local" or self.base_url:
            return self
        base_url, api_key = local_voice.address()
        return replace(self, base_url=base_url, api_key=api_key)

    def check_model(self, model: str) -> None:
        """Raise `SettingsError` for a model that the local voice does not know; other servers check it themselves.

        It answers under the name of every model in the price table, so that your code for a server with a key runs
        here.
        """
        if self.name != "local" or find_price(model) is not None:
            return
        known = [*dict.fromkeys(LOCAL_MODELS.values()), *price_table()["models"]]
        close = difflib.get_close_matches(model, known, 1) or [self.model]
        raise SettingsError(
            f"model={hide(model)!r} is not a model that the local voice knows: choose {close[0]!r}, or no model; "
            "realtime_nb.use_prices makes a name known"
        )

    def bills(self, model: str) -> bool:
        """Return whether the price of a model, if there is one, is what this server bills; see `price_holds`."""
        return price_holds(model, "" if self.name == "local" else self.base_url)

    def why_unknown(self, charges: Iterable[Charge]) -> str:
        """Return why nobody here knows what this server bills for these; empty if the price table says it."""
        models = dict.fromkeys(each.model for each in charges if each.cost and not self.bills(each.model))
        if not models:
            return ""
        return (
            f"what {self.name} bills for {', '.join(models)} is not known, as the price here is OpenAI's: give its own "
            "by realtime_nb.use_prices"
        )

    @property
    def parts(self) -> LocalParts | None:
        """The parts of the local voice that answer for `model`; `None` for other servers, which do not say.

        Starts the local voice if needed, which blocks. ``print(backend.parts)`` is one line.

        Raises `MissingExtra` if the extra ``local`` is not installed; `ConnectionLost` if the local voice does not
        answer.

        Examples
        --------
        >>> import realtime_nb as rt
        >>> rt.Backend.local().parts.brain.name
        'rules, no language model'
        """
        if self.name != "local":
            return None
        located = self.located()
        return parts_at(located.base_url, located.api_key, self.model)

    @property
    def key_variable(self) -> str:
        """The environment variable from which the key is read; empty for the local voice, which has its own."""
        return _KEY_VARIABLES.get(self.name, "REALTIME_NB_API_KEY")

    def realtime_url(self, model: str) -> str:
        """Return the WebSocket address of a Realtime session with a model."""
        scheme, _, rest = self.base_url.partition("://")
        socket = {"http": "ws", "https": "wss"}.get(scheme, scheme)
        query = f"&{self.query}" if self.query else ""
        if self.azure:
            own = urlencode({"api-version": AZURE_API_VERSION, "deployment": model})
            return Secret.around(f"{socket}://{rest}/openai/realtime?{own}{query}")
        return Secret.around(f"{socket}://{rest}/realtime?model={quote(model)}{query}")

    @property
    def http_query(self) -> dict[str, str]:
        """The query fields that the address adds to each request."""
        return {name: Secret.around(value) for name, value in parse_qsl(self.query, keep_blank_values=True)}

    def headers(self) -> dict[str, str]:
        """Return the headers with the key and the address's user part."""
        found = {}
        if self.api_key:
            found = {"api-key": self.api_key} if self.azure else {"Authorization": f"Bearer {self.api_key}"}
        if self.user:
            found["Authorization"] = f"Basic {basic(self.user)}"
        return {name: Secret.around(value) for name, value in found.items()}


def _taken_apart(address: str) -> tuple[str, Secret, Secret]:
    """Return an address without its secrets, its user part, and its query."""
    if bare_address(address) == HIDDEN:
        raise SettingsError(
            "base_url cannot be read as an address: write it as https://host:port/v1, and in a name or password "
            "/ as %2F, ? as %3F, # as %23 and @ as %40"
        )
    return split_address(address)


@contextmanager
def naming_key(backend: Backend) -> Iterator[None]:
    """Let the error of a server that refuses the key name the variable that holds it."""
    try:
        yield
    except ServerError as error:
        if error.code == "invalid_api_key" and backend.key_variable:
            error.advice = f"check the key ({backend.key_variable}, or api_key=…); it was refused"
        raise


def _key(api_key: str | None, variable: str) -> Secret:
    """Return the given key, or the environment's, without the line end that copied keys often have."""
    return Secret.of_key(api_key or os.environ.get(variable)).strip()
