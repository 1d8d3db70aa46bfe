"""The base class of all sessions."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import warnings
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Any, Self

from ..conversation.conversation import Conversation
from ..conversation.records import Reply
from ..display import Progress
from ..errors import BudgetReached, SettingsError
from ..loop import Pending, call_soon, submit
from ..protocol.local_events import ApprovalAsked, Heard, StateChanged
from ..protocol.settings import unknown_option
from ..tools import Approver
from .api import Api
from .budget import BoundOptions, BudgetWatch, SessionBounds, bounds, check_priced
from .camera_feed import WatchingSession
from .editing import TurnEditing
from .event_log import REPLY_TIMEOUT_S, Listener, SessionEvents, event_type
from .guard import SessionGuard, make_judge
from .rate_limit import Admission, Limiter
from .request import Content, checked_content
from .tool_calls import MAX_ROUNDS, ToolCalls

#: Said aloud first, with ``disclose="spoken"``.
DISCLOSURE = "You are talking to an AI. The voice that you hear is computer-generated."
#: Source: prompt caching; shorter prefixes are not cached.
_LEAST_CACHED_TOKENS = 1_024


class Session(TurnEditing, WatchingSession):
    """The base class of all sessions: ask, get a `Pending` reply, keep a `Conversation`.

    Every call returns at once with a `Pending`: ``await`` it in a cell, or call ``.result()`` in a script.
    """

    hears_sound = True
    """True if the model hears the sound; otherwise it gets only the words."""

    def __init__(
        self, *, approve: bool | Approver = False, max_tool_rounds: int = MAX_ROUNDS, **bound_options: Any
    ) -> None:
        self._session_events = SessionEvents()
        self._warned_of_cache = False
        self._guard = bound_options.pop("guard", None)
        disclose = bound_options.pop("disclose", None)
        if disclose not in (None, "spoken"):
            raise SettingsError(f'disclose={disclose!r} must be "spoken", or None for the panel and the records only')
        for name in bound_options.keys() - BoundOptions.__annotations__.keys():
            own = [each for each in inspect.signature(type(self)).parameters if each != "bound_options"]
            raise unknown_option(name, [*own, *BoundOptions.__annotations__])
        self._to_disclose = DISCLOSURE if disclose else ""
        self._guarding = SessionGuard(self._session_events, None, cut=self._cut)
        self.bounds = SessionBounds(**bound_options)
        """Bounds on its dollars and minutes, and how much of them is used."""
        self._watch = BudgetWatch(self._session_events, self.bounds, self._halt)
        self._admission = Admission(self._session_events, lambda: self.bounds.limiter or bounds.limiter)
        self._calls = ToolCalls(self._session_events, approve=approve, max_rounds=max_tool_rounds)
        self.conversation = self._session_events.conversation
        """The records of what was said."""
        self.log = self._session_events.log
        """Every event, both ways, with its time."""

    @property
    @abstractmethod
    def _settings(self) -> dict[str, Any]:
        """The session's settings for the records, in the Realtime API's shape."""

    @abstractmethod
    async def _halt(self, error: BudgetReached) -> None:
        """Cut off the answer and close the session, on the I/O thread; everything that waits gets `error`."""

    @abstractmethod
    def _cut(self, response_id: str) -> None:
        """Stop a response that a guard has flagged, on the I/O thread."""

    def _refuse(self, item_id: str, response_id: str) -> None:
        """Delete a spoken turn that a guard has flagged from the model's context, and stop its answer."""
        return

    def _guard_by(self, api: Api) -> None:
        """Let the guard judge what is said, if there is one; its endpoint belongs to `api`."""
        if self._guard is not None:
            judge = make_judge(self._guard, api)
            self._guarding = SessionGuard(self._session_events, judge, cut=self._cut, refuse=self._refuse)

    def is_held(self, response_id: str) -> bool:
        """Return whether an answer must not sound yet, because a guard still judges what it answers."""
        return self._guarding.is_held(response_id)

    def warn_of_cache(self, what: str) -> None:
        """Warn, once, that the server's cache is lost, if there is one; the warning names the caller."""
        if remark := self.cache_remark(what):
            warnings.warn(remark, UserWarning, stacklevel=3)

    def cache_remark(self, what: str) -> str:
        """Return a warning that an action loses the server's cache; empty if it does not, or if you were warned before.

        A server caches what it has read from the start, 1,024 tokens or more: instructions, tools, then items. After a
        change it reads that part again, and everything after it.
        """
        read = next((reply.usage for reply in reversed(self.conversation.replies) if reply.usage), None)
        if read is None or read.input_tokens < _LEAST_CACHED_TOKENS or self._warned_of_cache:
            return ""
        self._warned_of_cache = True
        return (
            f"{what} in the middle of a session empties the server's cache: the next answer reads about "
            f"{read.input_tokens:,} tokens again, at the full price"
        )

    def _bill(self, *models: str | None) -> None:
        """Note which models the session is billed for; raise if a bound on dollars cannot be kept."""
        self._watch.backend, self._watch.models = self.backend, [model for model in models if model]
        check_priced(self.bounds, "max_usd", self._watch.models)

    async def _admit(self) -> None:
        """Wait until another answer may be asked for; raise if a bound is reached."""
        self._watch.check()
        await self._admission.admit(self.backend, self.model)
        self._watch.check()

    def be_part(self) -> None:
        """Leave counting and waiting to the session that this one belongs to."""
        self._watch.kernel = None
        self.bounds.limiter = Limiter()

    @property
    @abstractmethod
    def state(self) -> str:
        """``"closed"``, ``"connecting"`` or ``"open"``."""

    @abstractmethod
    def connect(self) -> Pending[None]:
        """Open the session; does nothing if it is open."""

    @abstractmethod
    def ask(self, *content: Any, timeout_s: float | None = REPLY_TIMEOUT_S) -> Pending[Reply]:
        """Say, write or show something, and get the answer; `timeout_s` bounds the server's silence."""

    @abstractmethod
    def interrupt(self) -> Pending[bool]:
        """Stop the answer that is being made or played; the result is `True` if one was being made."""

    def ask_each(self, questions: Iterable[tuple[Any, ...]]) -> Pending[Conversation]:
        """Ask one thing after the other; the result is the conversation.

        Parameters
        ----------
        questions : iterable of tuple
            The arguments of `ask`, for each question.
        """
        asked = [checked_content(tuple(question)) for question in questions]
        return submit(self._ask_each(asked))

    async def _ask_each(self, questions: list[tuple[Content, ...]]) -> Conversation:
        with Progress("ask", len(questions), "questions") as progress:
            for question in questions:
                await self.ask(*question)
                progress.add()
        return self.conversation

    @property
    def open_approvals(self) -> list[ApprovalAsked]:
        """The calls that wait for approval: ``call_id``, ``name``, ``arguments``."""
        return self._calls.approvals.open

    def decide(self, call_id: str, approved: bool) -> None:
        """Approve a call of `open_approvals`, or refuse it; does nothing if it is no longer open."""
        call_soon(self._calls.approvals.decide, call_id, approved)

    def attend(self, is_there: Callable[[], bool]) -> Callable[[], None]:
        """Register someone who can approve calls; a panel does so while its page is open.

        Parameters
        ----------
        is_there : callable
            Takes nothing and returns `True` while someone is there. They learn of calls from the event
            ``tool.approval_asked``, and answer with `decide`.

        Returns
        -------
        stop : callable
            Stops it.
        """
        return self._calls.approvals.attend(is_there)

    @property
    def elapsed_ms(self) -> float:
        """Session time: milliseconds since it began to connect."""
        return self._session_events.elapsed_ms

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call a function with every received and every local event, on the I/O thread.

        Parameters
        ----------
        listener : callable
            Takes the event and its session time in ms, once the records hold it. It must not block.

        Returns
        -------
        stop : callable
            Stops it.
        """
        return self._session_events.listen(listener)

    def on(self, event: str | Callable[[Any], Any], function: Callable[[Any], Any] | None = None) -> Any:
        """Call a function with each event of one type, or with every event, on the I/O thread.

        Parameters
        ----------
        event : str or callable
            The type, e.g. ``"response.done"``; or the function itself, for every event, received and local.
        function : callable, optional
            Takes the event, once the records hold it. It must not block. Without it, the result is a decorator.

        Returns
        -------
        stop : callable
            Stops it.

        Raises
        ------
        SettingsError
            If the type is misspelt; servers may have types that this package does not know.
        TypeError
            If the function cannot be called, or is a coroutine.

        Examples
        --------
        >>> import realtime_nb as rt
        >>> session = rt.RealtimeSession(backend="local")
        >>> stop = session.on("response.done", lambda event: print(event.response.status))
        >>> reply = session.ask("Hello!").result()
        completed
        >>> session.close().result()
        """
        if callable(event):
            return self.listen(_taking_event(event))
        wanted = event_type(event)
        if function is None:
            return lambda decorated: (self.on(event, decorated), decorated)[1]
        call = _taking_event(function)
        return self.listen(lambda told, elapsed_ms: call(told, elapsed_ms) if told.type == wanted else None)

    def note(self, event: Any) -> None:
        """Add a local event to the log and the records, e.g. a page's report. Returns at once; any thread.

        Parameters
        ----------
        event : struct of realtime_nb.protocol.local_events
            What happened; its times are session times.
        """
        call_soon(self._session_events.announce, event)

    def heard(self, item_id: str, played_ms: int, *, stopped: bool = False) -> None:
        """Report how much of an item's audio a speaker has played.

        Parameters
        ----------
        item_id : str
            The item.
        played_ms : int
            Milliseconds since its beginning.
        stopped : bool, default False
            Whether playback was cut off there.
        """
        self.note(Heard(item_id=item_id, played_ms=int(played_ms), stopped=stopped))

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Yield every event from now until the session closes.

        Ends at once if the session is closed already; waits for the first event if it was never open.
        """
        if self._session_events.is_over:
            return
        queue: asyncio.Queue[Any] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def pass_on(event: Any, elapsed_ms: float) -> None:
            try:
                loop.call_soon_threadsafe(queue.put_nowait, event)
            except RuntimeError:
                stop()  # The loop was closed, and nothing iterates in it now.

        stop = self.listen(pass_on)
        try:
            while True:
                event = await queue.get()
                yield event
                if isinstance(event, StateChanged) and event.state == "closed":
                    return
        finally:
            stop()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __enter__(self) -> Self:
        self.connect().result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close().result()

    def __repr__(self) -> str:
        kind = type(self).__name__
        try:
            return f"{kind}({self.model!r} at {self.backend.name!r}, {self.state}, {len(self.conversation)} turns)"
        except AttributeError:
            return f"{kind}(not made)"  # A traceback with variables also shows one whose constructor has raised.


def _taking_event(function: Callable[[Any], Any]) -> Listener:
    """Return a listener that leaves the time out."""
    if not callable(function) or inspect.iscoroutinefunction(function):
        raise TypeError(
            f"on() cannot call {function!r}: give a plain function of one event, or use  async for event in session"
        )
    # Notebooks show a thread's output below the cell of its context: the cell that asked for the events.
    context = contextvars.copy_context()
    return lambda event, elapsed_ms: context.copy().run(function, event)
