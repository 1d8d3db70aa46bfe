"""The exceptions that this package raises, as one tree.

* `RealtimeError`: everything below.

  * `AudioError` (also a `ValueError`): samples, rates or files that cannot be used.
  * `PictureError` (also a `ValueError`): arrays or files that are not pictures, or a model that takes no pictures.
  * `SettingsError` (also a `ValueError`): a session setting that no server accepts.
  * `RecordingError` (also a `ValueError`): a folder or file that is not a recording, or cannot be written to.
  * `MissingKey`: a backend needs an API key, and none was given.
  * `MissingExtra`: an optional part of the package is not installed.
  * `LocalProtocolError`: you asked for something that the session's state does not allow.
  * `RemoteProtocolError`: the server sent something that cannot be read as an event.
  * `ServerError`: the server answered with an error of its own (`code`, `message`, `param`, `event_id`).
  * `ReplyTimeout` (also a `TimeoutError`): the server stayed connected but did not answer.
  * `ConnectionLost`: the socket could not be opened, or was lost.
  * `BudgetReached`: a bound on dollars or minutes is reached; nothing more is asked.
  * `InputFlagged`: a guard blocked a question.

Attributes hold the facts; `_words` makes the text. No message holds a key or audio. Attributes keep what a server said
unchanged; ``str(error)`` makes it safe for a terminal.

Floor 0.
"""

from __future__ import annotations

from typing import ClassVar

from .display import printable


class RealtimeError(Exception):
    """Base of all errors that this package raises.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> try:
    ...     rt.RealtimeSession(backend="somewhere")
    ... except rt.RealtimeError as error:
    ...     print(error)
    backend='somewhere' is not known: ...
    """

    cost_usd: float | None = 0.0
    """US dollars that were billed anyway and that no record counts; `None` if not known."""

    def __str__(self) -> str:
        return printable(self._words())

    def _words(self) -> str:
        return super().__str__()


class AudioError(RealtimeError, ValueError):
    """Audio that cannot be used: a bad rate, a bad shape, an unreadable file.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> try:
    ...     rt.AudioClip([0.0, 0.1], sample_rate=0)
    ... except rt.AudioError as error:
    ...     print(error)
    sample_rate=0 must be positive and whole
    """


class PictureError(RealtimeError, ValueError):
    """A picture that cannot be used: a bad shape, an unreadable file, a model that takes no pictures.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> try:
    ...     rt.Picture.of(b"no picture")
    ... except rt.PictureError as error:
    ...     print(error)
    10 bytes is not a PNG, JPEG, WebP or GIF
    """


class SettingsError(RealtimeError, ValueError):
    """A session setting that no server accepts.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> try:
    ...     rt.RealtimeSession(backend="local", speed=9)
    ... except rt.SettingsError as error:
    ...     print(error)
    audio.output.speed: 9 is not between 0.25 and 1.5
    """


class RecordingError(RealtimeError, ValueError):
    """A folder or file that is not a recording, or cannot be written to.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> try:
    ...     rt.Recording.load("nowhere")
    ... except rt.RecordingError as error:
    ...     print(error)
    'nowhere' is not there...
    """


class MissingKey(RealtimeError):
    """A backend needs an API key, and none was given.

    Parameters
    ----------
    backend : str
        Name of the backend, e.g. ``"openai"``.
    variable : str
        Environment variable for the key.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> print(rt.MissingKey("openai", "OPENAI_API_KEY"))
    the openai backend needs an API key: set OPENAI_API_KEY, pass api_key=…,
    or talk to the local voice with backend="local"
    """

    def __init__(self, backend: str, variable: str):
        super().__init__(backend, variable)
        self.backend = backend
        self.variable = variable

    def _words(self) -> str:
        return (
            f"the {self.backend} backend needs an API key: set {self.variable}, pass api_key=…, "
            'or talk to the local voice with backend="local"'
        )


class MissingExtra(RealtimeError):
    """An optional part of the package is not installed.

    Parameters
    ----------
    what : str
        What the caller wanted, e.g. ``"the local voice"``.
    extra : str
        The extra that installs it.
    reason : str, optional
        What the import said.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> print(rt.MissingExtra("the local voice", "local"))
    the local voice is not installed: run  pip install 'realtime-nb[local]'
    """

    def __init__(self, what: str, extra: str, reason: str = ""):
        super().__init__(what, extra, reason)
        self.what = what
        self.extra = extra
        self.reason = reason

    def _words(self) -> str:
        because = f" ({self.reason})" if self.reason else ""
        return f"{self.what} is not installed{because}: run  pip install 'realtime-nb[{self.extra}]'"


class LocalProtocolError(RealtimeError):
    """You asked for something that the session's state does not allow; nothing was changed.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> try:
    ...     rt.RealtimeSession(backend="local").commit().result()
    ... except rt.LocalProtocolError as error:
    ...     print(error)
    cannot commit audio while the session is closed: ...
    """


class RemoteProtocolError(RealtimeError):
    """The server sent something that cannot be read as an event.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> error = rt.RemoteProtocolError("3 bytes are not an audio frame")
    >>> isinstance(error, rt.RealtimeError)
    True
    """


class ServerError(RealtimeError):
    """An error that the server sent, in the API's own words.

    Parameters
    ----------
    message : str
        The API's message.
    code : str, optional
        The API's code, e.g. ``"input_audio_buffer_commit_empty"``; `None` if it sent none.
    error_type : str, optional
        The API's type, e.g. ``"invalid_request_error"``.
    param : str, optional
        The parameter that the server complains about.
    event_id : str, optional
        The client event that the error answers.
    advice : str, optional
        What you can do about it.
    retry_after_s : float, optional
        Seconds to wait before asking again, as the server says.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> error = rt.ServerError("Incorrect API key provided", code="invalid_api_key")
    >>> print(error)
    Incorrect API key provided [invalid_api_key]: check the key (OPENAI_API_KEY, or api_key=…); it was refused
    >>> error.fatal
    True
    """

    #: Codes after which a session is over and a retry is useless, with the way out.
    FATAL: ClassVar[dict[str, str]] = {
        "invalid_api_key": "check the key (OPENAI_API_KEY, or api_key=…); it was refused",
        "insufficient_quota": "add credit to the account or use another key; retrying does not help",
        "account_deactivated": "the account is closed; use another key",
        "billing_hard_limit_reached": "raise the account's spending limit or use another key",
        "beta_api_shape_disabled": "the server speaks only the GA protocol; remove the OpenAI-Beta header",
        "session_expired": "sessions end after their maximum duration; connect again to go on",
    }

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        error_type: str | None = None,
        param: str | None = None,
        event_id: str | None = None,
        advice: str | None = None,
        retry_after_s: float | None = None,
    ):
        super().__init__(message)
        self.message = message
        self.code = code
        self.error_type = error_type
        self.param = param
        self.event_id = event_id
        self.retry_after_s = retry_after_s
        self.advice = advice if advice is not None else self._known_advice()

    #: A session waits up to this long, and shows it, when a server asks it to; for longer waits the error is raised at
    #: once.
    LONGEST_WAIT_S: ClassVar[float] = 120.0

    def _known_advice(self) -> str | None:
        if self.is_for_later:
            return f"the server asks to wait {self.retry_after_s:.6g} s, more than {self.LONGEST_WAIT_S:.0f}; ask then"
        if self.code == "model_not_found":
            return "choose a model that this server has and this account may use (model=…)"
        if (self.param or "").endswith("voice"):
            return "choose another voice (voice=…)"
        return self.FATAL.get(self.code or "")

    #: Codes of refusals that pass with time.
    RATE_LIMITS: ClassVar[tuple[str, ...]] = (
        "rate_limit_exceeded",
        "inference_rate_limit_exceeded",
        "too_many_requests",
    )

    #: Codes of an overloaded server.
    OVERLOADS: ClassVar[tuple[str, ...]] = ("overloaded", "server_is_overloaded", "service_unavailable", "slow_down")

    @property
    def is_rate_limit(self) -> bool:
        """True if the server is too busy, for this key or for everyone, and you can ask again later."""
        return self.code in self.RATE_LIMITS

    @property
    def is_for_later(self) -> bool:
        """True if the server asks for a longer wait than a session accepts."""
        return self.retry_after_s is not None and self.retry_after_s > self.LONGEST_WAIT_S

    @property
    def is_passing(self) -> bool:
        """True if the server was too busy or failed, and you can ask the same again later."""
        at_fault = "server_error" in (self.code, self.error_type) or self.code in self.OVERLOADS
        return not self.fatal and not self.is_for_later and (self.is_rate_limit or at_fault)

    @property
    def fatal(self) -> bool:
        """True if the session cannot go on after this error."""
        return self.code in self.FATAL

    def _words(self) -> str:
        text = f"{self.message} [{self.code}]" if self.code else self.message
        if self.param:
            text += f" (parameter {self.param})"
        return f"{text}: {self.advice}" if self.advice else text


class ConnectionLost(RealtimeError):
    """The socket could not be opened, or was lost.

    Parameters
    ----------
    reason : str
        What happened, and what to do if that is known.
    code : int, optional
        The WebSocket close code.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> try:
    ...     rt.RealtimeSession(backend="http://127.0.0.1:9/v1").connect().result()
    ... except rt.ConnectionLost as error:
    ...     print(str(error).partition(":")[0])
    127.0.0.1
    """

    #: Close codes after which the same server may be tried again; not policy (1008, 4000) or a normal close (1000).
    PASSING: ClassVar[frozenset[int]] = frozenset((1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015))

    def __init__(self, reason: str, *, code: int | None = None):
        super().__init__(reason)
        self.reason = reason
        self.code = code

    def _words(self) -> str:
        return f"{self.reason} (close code {self.code})" if self.code is not None else self.reason


class ReplyTimeout(RealtimeError, TimeoutError):
    """The server stayed connected but stopped answering; you can ask the next question.

    Parameters
    ----------
    timeout_s : float
        Seconds without a sign of an answer.
    last_event : str
        Type of the last event that the server sent; empty if it sent none.
    ago_s : float
        How long ago that was.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> error = rt.ReplyTimeout(120, "response.created", 119.6)
    >>> print(error)
    no sign of an answer for 120 s (the last event was response.created, 119.6 s ago): ask again, or wait longer
    with timeout_s=…
    """

    def __init__(self, timeout_s: float, last_event: str, ago_s: float):
        super().__init__(timeout_s, last_event, ago_s)
        self.timeout_s = timeout_s
        self.last_event = last_event
        self.ago_s = ago_s

    def __str__(self) -> str:
        last = f"the last event was {self.last_event}, {self.ago_s:.1f} s ago" if self.last_event else "no event came"
        return f"no sign of an answer for {self.timeout_s:g} s ({last}): ask again, or wait longer with timeout_s=…"


class BudgetReached(RealtimeError):
    """A bound on dollars or minutes is reached; nothing more is asked, and the records are complete.

    Parameters
    ----------
    bound : str
        ``"max_usd"``, ``"max_minutes"`` or ``"idle_minutes"``.
    reason : str
        How much was used of the bound, and how to go on.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> rt.use_prices({"local-voice": {"like": "gpt-realtime-2.1"}})        # let the local voice cost something
    >>> session = rt.RealtimeSession(backend="local", max_usd=0.0001)
    >>> try:
    ...     reply = session.ask("Tell me a story.").result()
    ...     reply = session.ask("And another one.").result()
    ... except rt.BudgetReached as error:
    ...     print(error.bound)
    max_usd
    >>> rt.use_prices(None)
    """

    def __init__(self, bound: str, reason: str):
        super().__init__(bound, reason)
        self.bound = bound
        self.reason = reason

    def _words(self) -> str:
        return f"stopped: {self.reason}"


class InputFlagged(RealtimeError):
    """A guard blocked a question; it stays in the records, and no model has answered it.

    Parameters
    ----------
    reason : str
        What the guard said.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> def guard(text, side):
    ...     return "a card number" if "card number" in text else None
    >>> with rt.RealtimeSession(backend="local", guard=guard) as session:
    ...     try:
    ...         session.ask("My card number is four two.").result()
    ...     except rt.InputFlagged as error:
    ...         print(error)
    not answered: the guard flagged what was asked (a card number)
    """

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason

    def _words(self) -> str:
        return f"not answered: the guard flagged what was asked ({self.reason})"
