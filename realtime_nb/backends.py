"""Where to connect, with which key, and what is the default there."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlencode, urlsplit

from .errors import MissingKey, SettingsError
from .local_voice import local_voice

#: Azure's version of the GA Realtime protocol's address.
AZURE_API_VERSION = "2025-08-28"
_LOCAL_CHAIN = ("local-sphinx", "local-rules", "local-espeak")


@dataclass(frozen=True)
class Backend:
    """A server that speaks the Realtime protocol.

    Make one with `Backend.find`, or with `openai`, `azure`, `at` or `local`. The key is never shown, nor pickled: where
    a backend is sent, the key is read from the environment there.

    Parameters
    ----------
    name : str
        ``"openai"``, ``"azure"``, ``"local"``, or the host of another server.
    base_url : str
        Address up to and with ``/v1``; empty for the local voice, which is started when first needed.
    api_key : str
        The secret.
    model, chat_model, transcription, voice : str
        What sessions use there unless told otherwise.
    chain : tuple of str
        Likewise the transcriber, the text model and the speaker of a `CascadeSession`.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> rt.Backend.find("local").model
    'local-rules'
    >>> rt.Backend.at("https://voice.example.org/v1", api_key="secret").base_url      # the key is nowhere shown
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

    def __post_init__(self) -> None:
        if not (self.api_key.isascii() and self.api_key.isprintable()):
            # Libraries would show it in their complaint.
            raise SettingsError("the API key holds characters that no key has: copy it again")

    @classmethod
    def find(cls, backend: Backend | str | None = None, *, api_key: str | None = None) -> Backend:
        """Return the backend that is meant.

        Parameters
        ----------
        backend : Backend, str or None
            A name (``"openai"``, ``"azure"``, ``"local"``), the address of a compatible server
            (``"https://…/v1"``), or `None`: OpenAI where there is a key (`api_key` or ``OPENAI_API_KEY``), the local
            voice otherwise.
        api_key : str, optional
            The secret, where it is not in the environment.

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
            f'backend={backend!r} is not known: give "openai", "azure", "local" or an address that begins with https://'
        )

    @classmethod
    def openai(cls, api_key: str | None = None) -> Backend:
        """OpenAI, or what ``OPENAI_BASE_URL`` names; the key from `api_key` or ``OPENAI_API_KEY``."""
        key = _key(api_key, "OPENAI_API_KEY")
        if not key:
            raise MissingKey("openai", "OPENAI_API_KEY")
        base_url = os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
        return cls("openai", base_url.rstrip("/"), key)

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
        endpoint = endpoint or os.environ.get("AZURE_OPENAI_ENDPOINT")
        key = _key(api_key, "AZURE_OPENAI_API_KEY")
        if not endpoint:
            raise SettingsError("the azure backend needs an endpoint: set AZURE_OPENAI_ENDPOINT, or pass endpoint=…")
        if not key:
            raise MissingKey("azure", "AZURE_OPENAI_API_KEY")
        model = deployment or os.environ.get("AZURE_OPENAI_DEPLOYMENT") or cls.model
        return cls("azure", endpoint.rstrip("/"), key, model=model, chat_model=model, azure=True)

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
        parts = urlsplit(base_url)
        if not parts.hostname:
            raise SettingsError(f"base_url={base_url!r} has no host")
        try:
            _ = parts.port
        except ValueError as error:
            raise SettingsError(f"base_url={base_url!r}: {error}") from None
        return cls(parts.hostname, base_url.rstrip("/"), _key(api_key, "REALTIME_NB_API_KEY"))

    @classmethod
    def local(cls) -> Backend:
        """Return the voice that runs on this machine, with no key; started when a session first connects."""
        return cls(
            "local", model="local-rules", chat_model="local-rules", transcription="local-sphinx", chain=_LOCAL_CHAIN
        )

    def __getstate__(self) -> dict[str, object]:
        """Return what may be sent elsewhere: not the key, nor where this machine's local voice is."""
        return self.__dict__ | {"api_key": ""} | ({"base_url": ""} if self.name == "local" else {})

    def __setstate__(self, state: dict[str, object]) -> None:
        """Take it over there, with the key of that environment."""
        variable = {"openai": "OPENAI_API_KEY", "azure": "AZURE_OPENAI_API_KEY", "local": ""}
        key = _key(None, variable.get(str(state["name"]), "REALTIME_NB_API_KEY"))
        self.__dict__.update(state | {"api_key": key})

    def __copy__(self) -> Backend:
        return self  # Nothing in it changes.

    def __deepcopy__(self, memo: dict[int, object]) -> Backend:
        return self

    def located(self) -> Backend:
        """Return this backend with its address and key; starts the local voice, and blocks while it does."""
        if self.name != "local" or self.base_url:
            return self
        base_url, api_key = local_voice.address()
        return replace(self, base_url=base_url, api_key=api_key)

    def realtime_url(self, model: str) -> str:
        """Return the WebSocket address of a Realtime session with a model."""
        scheme, _, rest = self.base_url.partition("://")
        socket = {"http": "ws", "https": "wss"}.get(scheme, scheme)
        if self.azure:
            query = urlencode({"api-version": AZURE_API_VERSION, "deployment": model})
            return f"{socket}://{rest}/openai/realtime?{query}"
        return f"{socket}://{rest}/realtime?model={quote(model)}"

    def headers(self) -> dict[str, str]:
        """Return the headers that carry the key."""
        if not self.api_key:
            return {}
        return {"api-key": self.api_key} if self.azure else {"Authorization": f"Bearer {self.api_key}"}


def _key(api_key: str | None, variable: str) -> str:
    """Return the key that is given, or that of the environment, without the line end that copied keys often have."""
    return (api_key or os.environ.get(variable, "")).strip()
