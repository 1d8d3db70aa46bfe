"""`RealtimeSession`: speech to speech over one socket."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from pathlib import Path
from typing import Any, Unpack

from msgspec import UNSET

from ..conversation.conversation import Conversation
from ..conversation.history import History
from ..conversation.records import Reply, Turn
from ..display import open_page
from ..errors import AudioError, BudgetReached, LocalProtocolError, RealtimeError, SettingsError
from ..loop import Pending, call_soon, submit
from ..media.clip import WIRE_SAMPLE_RATE, AudioClip, check_is_clip, checked_sample_rate
from ..media.picture import Picture
from ..pricing.prices import shutdown_notice
from ..protocol import events as ev
from ..protocol.items import Item, ResponseOptions
from ..protocol.local_events import Heard, Interrupted
from ..protocol.realtime import RealtimeProtocol
from ..protocol.settings import Options, session_from_options, setting_at
from ..secrecy import Secret, masked
from ..tools import Approver, Tool, read_tools
from .api import Api
from .backend import Backend
from .budget import BoundOptions, taken_apart
from .connection import Connection
from .event_log import REPLY_TIMEOUT_S, checked_timeout_s
from .input import SpokenInput
from .item_editing import ItemEditing
from .listener import send_live
from .renewal import Renewal
from .request import checked_content, message_item
from .responses import ResponseQueue
from .session import Session
from .tool_calls import MAX_ROUNDS

#: How sure a transcriber is of each token.
_LOGPROBS = "item.input_audio_transcription.logprobs"
#: How much slower and faster than real time a clip may be sent.
_SLOWEST, _FASTEST = 0.1, 20.0
#: How long a stopped session waits for the end of the answer that it has cut off.
_LAST_WORD_WAIT_S = 2.0


class RealtimeOptions(Options, BoundOptions, total=False):
    """A session's settings and bounds, by their short names."""


class RealtimeSession(Session):
    """A spoken conversation with a model, over one WebSocket.

    It connects on first use. Every call returns at once with a `Pending`: ``await`` it in a cell, or call ``.result()``
    in a script. The socket runs on its own thread, so busy cells do not disturb it.

    Parameters
    ----------
    model : str, optional
        By default the backend's: ``gpt-realtime-2.1``, or ``local-voice`` for the local voice.
    backend : Backend or str, optional
        ``"openai"``, ``"azure"``, ``"local"``, or the address of a compatible server. By default OpenAI if there is a
        key, otherwise the local voice.
    api_key : str, optional
        By default from the environment. It is never shown, logged or stored.
    approve : bool or callable, default False
        Whether a person must agree to each call of a function in ``tools``, unless its own `tool` says so. `True` asks
        by buttons in the panel. A callable runs in its own thread: it takes the call (``name``, ``arguments``,
        ``call_id``, ``server_label``) and returns `True` to agree. If no one is there, or no one answers within 120 s,
        the model is told that the call was refused. Approval requests of MCP servers work the same way.
    max_tool_rounds : int, default 8
        How often the model may call tools for one question; after that it must answer in words.
    recording : str or Path, optional
        A folder to write the session into while it runs, as with `record_to`.
    history : list, Conversation or Recording, optional
        What was said before: messages (``{"role": "user", "content": "Hello"}``, contents as words, clips, or parts),
        pairs of role and content, or the records of another session. The person's sound is sent as sound if it was
        kept. The model's answers are sent as words: the API does not accept the model's sound from a client.
    restore : bool, default True
        Whether the conversation goes on when the connection ends, as it does after 60 minutes (at Azure 30), or breaks
        off. The session then opens another one, with growing waits, and sends it the history; turns stay the same. It
        sends words, pictures, and calls with their outputs. The person's sound is sent as words, if they are known, an
        interrupted answer as far as it was heard, and calls of MCP servers not at all. After an error that would only
        repeat, such as a bad key, it does not try again. An answer that is cut off this way is lost, and its `Pending`
        gets the error. `conversation.breaks` says where it happened.
    rotate_minutes : float, optional
        Age at which a connection is renewed ahead of time, as soon as no one speaks and no answer is being made or
        played. By default 55, or eleven twelfths of its lifetime if that is less; `None` waits for its end.
    **options : Options
        Session settings by their short names: ``instructions``, ``voice``, ``turn_detection``, ``transcription``,
        ``output_modalities``, ``tools``, …; see `realtime_nb.protocol.settings.Options`. Functions among the ``tools``
        run here when the model calls them, all calls of a response together; `ask` returns the answer that follows.
        Calls of tools given as dicts you answer yourself, with `send_function_output`, unless an MCP server does.
        Bounds too: ``guard``, ``max_usd``, ``max_minutes``, ``idle_minutes``, ``limiter``; see
        `realtime_nb.sessions.budget.BoundOptions`.

    Raises
    ------
    MissingKey
        If the backend needs a key and there is none.
    SettingsError
        If a setting is unknown, or not one that the API takes.

    Examples
    --------
    >>> session = RealtimeSession(backend="local", instructions="Be brief.")
    >>> reply = session.ask("Hello!").result()
    >>> reply.status
    'completed'
    >>> session.close().result()

    With a tool (see `realtime_nb.tool` for types, time-outs and approval):

    >>> def order_status(number: int) -> dict:
    ...     "Look up where an order is."
    ...     return {"status": "on its way", "order": number}
    >>> with RealtimeSession(backend="local", tools=[order_status]) as session:
    ...     session.ask("What is the status of order seven?").result().transcript
    'The status is on its way, the order is 7.'
    """

    def __init__(
        self,
        *,
        model: str | None = None,
        backend: Backend | str | None = None,
        api_key: str | None = None,
        approve: bool | Approver = False,
        max_tool_rounds: int = MAX_ROUNDS,
        recording: str | Path | None = None,
        history: Any = None,
        restore: bool = True,
        rotate_minutes: float | None = 55.0,
        **options: Unpack[RealtimeOptions],
    ):
        backend, api_key = masked(backend), Secret.of_key(api_key)
        bound_options, given = taken_apart(options)
        super().__init__(approve=approve, max_tool_rounds=max_tool_rounds, **bound_options)
        self.backend = Backend.find(backend, api_key=api_key)
        self.model = model or self.backend.model
        self._options = given = _defaults_of(self.backend) | given
        if given.get("tools"):
            self._options["tools"] = self._calls.take(given["tools"])
        self._asked_settings = session_from_options(**self._options)
        notice = shutdown_notice(self.model) or shutdown_notice(self._transcription_model)
        if notice:
            warnings.warn(notice, FutureWarning, stacklevel=2)
        self._bill(self.model, self._transcription_model)
        self.backend.check_model(self.model)
        if self._guard is not None and self._transcription_model is None:
            raise SettingsError("guard=… needs the person's words in writing: transcription=None gives none")
        self._guard_api = Api(self.backend)
        self._guard_by(self._guard_api)
        self._connection = Connection(self._session_events, self._admission)
        self._input = SpokenInput(self._connection)
        self._answers = ResponseQueue(
            self._connection,
            self._input,
            self._calls,
            self._guarding,
            self._admission,
            connect=self._connect,
            replace=lambda message: self._renewal.replace(message),
            admit=self._admit,
            writes_down=lambda: self._transcription_model is not None,
        )
        self._renewal = Renewal(
            self._connection,
            self._input,
            self._answers.turns,
            self._attempt,
            restore=restore,
            rotate_minutes=rotate_minutes,
        )
        self._items = ItemEditing(self._connection, self._input, self._renewal)
        for item in History.of(history).items:
            self._session_events.note("local", ev.ConversationItemAdded(item=item))
            self._session_events.note("local", ev.ConversationItemDone(item=item))
        if recording is not None:
            self.record_to(recording)

    # --- state ---

    @property
    def _settings(self) -> dict[str, Any]:
        return self._asked_settings

    @property
    def state(self) -> str:
        """``"closed"``, ``"connecting"`` or ``"open"``."""
        return self._connection.state

    @property
    def error(self) -> RealtimeError | None:
        """The error that ended the session; `None` after a normal end."""
        return self._connection.error

    @property
    def voice(self) -> str:
        """The voice; while the session is open, as the server confirmed it."""
        voice = setting_at(self._confirmed, "audio.output.voice") or self._options["voice"]
        return voice if isinstance(voice, str) else str(voice.get("id", voice))

    @property
    def instructions(self) -> str:
        """The instructions for the model; while the session is open, as the server confirmed them."""
        told = setting_at(self._confirmed, "instructions") or self._options.get("instructions")
        return told if isinstance(told, str) else ""

    @property
    def tool_names(self) -> list[str]:
        """The tools that the model may call; for an MCP server its label."""
        given = (tool.get("name") or tool.get("server_label") or tool.get("type") for tool in self._calls.definitions)
        return [str(name) for name in given]

    @property
    def turn_detection(self) -> dict[str, Any] | None:
        """The turn detection in force; `None` if turns are ended by hand."""
        if self._confirmed:
            return self._protocol.turn_detection
        detection = self._options.get("turn_detection", "server_vad")
        return {"type": detection} if isinstance(detection, str) else detection

    @property
    def is_answering(self) -> bool:
        """True if an answer is being made, or a function runs whose output the next one waits for."""
        return self._answers.turns.is_busy or bool(self.conversation.unfinished)

    @property
    def dropped_audio_ms(self) -> float:
        """Audio that was dropped because the session was not open."""
        return self._input.dropped_ms

    @property
    def _confirmed(self) -> dict[str, Any]:
        """The settings that are in force at the server; a closed session has only those of its next connection."""
        return self._protocol.session if self._connection.is_open else {}

    @property
    def _protocol(self) -> RealtimeProtocol:
        return self._connection.protocol

    @property
    def _transcription_model(self) -> str | None:
        wanted = self._options.get("transcription")
        return wanted.get("model") if isinstance(wanted, dict) else wanted

    # --- what you can do ---

    def connect(self) -> Pending[None]:
        """Open the session; does nothing if it is open.

        Raises
        ------
        ServerError
            If the server refuses the key or a setting.
        ConnectionLost
            If it cannot be reached.
        """
        return submit(self._connect())

    def move_to(
        self,
        backend: Backend | str | None = None,
        *,
        api_key: str | None = None,
        model: str | None = None,
        connect: bool = True,
    ) -> Pending[None]:
        """Go on at another server: the session is closed, and opened there with what was said so far.

        The voice and the transcription change with the server, unless you chose them.

        Parameters
        ----------
        backend : Backend or str, optional
            As for the constructor.
        api_key : str, optional
            As for the constructor. It stays in memory.
        model : str, optional
            By default the server's.
        connect : bool, default True
            Whether to open it at once; otherwise it opens there when it is next used.

        Raises
        ------
        MissingKey, SettingsError
            As for the constructor; the session stays where it is.
        LocalProtocolError
            If the session is being recorded, because a recording names one server.
        ServerError, ConnectionLost
            As for `connect`.

        Examples
        --------
        >>> with RealtimeSession(backend="local", model="local-rules") as session:
        ...     session.move_to("local", model="local-script").result()      # or "openai", with api_key=
        ...     session.model
        'local-script'
        """
        backend, api_key = masked(backend), Secret.of_key(api_key)
        found = Backend.find(backend, api_key=api_key)
        recorder = self._session_events.recorder
        if recorder is not None and not recorder.has_failed:
            raise LocalProtocolError(
                f"the session is being recorded to {str(recorder.folder)!r}, and a recording names one server: "
                "make a new session there, with history=session.conversation"
            )
        return submit(self._move_to(found, model or found.model, connect))

    def ask(self, *content: Any, timeout_s: float | None = REPLY_TIMEOUT_S) -> Pending[Reply]:
        """Say, write or show something, and get the answer.

        Parameters
        ----------
        *content : str, AudioClip or picture
            Words, speech, and pictures: whatever `Picture.of` takes, e.g. a `Picture`, a PIL image, an array, a
            `pathlib.Path` or a matplotlib figure. Words and pictures make one written turn, in their order; speech
            makes one spoken turn after it, whatever the turn detection, and is sent as fast as the socket takes it.
        timeout_s : float or None, default 120
            How long the server may give no sign of the answer, in seconds; `None` waits forever. Each event of the
            answer restarts the clock, so a long answer is never cut. Waiting for earlier questions, tools, approval, or
            a busy server does not count.

        Returns
        -------
        reply : Pending of Reply
            Ready when the response is done and the words of a spoken turn are known (they may come up to 5 s later). If
            the model calls functions of ``tools``, this is the last reply of the turn; the earlier ones are in
            `conversation`.

        Raises
        ------
        AudioError
            If a clip is shorter than the 100 ms that the API takes, or silent from end to end.
        PictureError
            If a picture cannot be read.
        TypeError
            If a piece of content cannot be said, written or shown.
        ReplyTimeout
            If the server gave no sign of an answer for `timeout_s`. The response is cancelled, and you can ask the next
            question.

        Notes
        -----
        A question that you ask while another one is being answered waits for its turn. If you cancel it before that, it
        leaves nothing in the conversation. If you cancel it later, it is cancelled at the server; if nothing had been
        answered, the model no longer reads it.

        Examples
        --------
        >>> import realtime_nb as rt
        >>> session = rt.RealtimeSession(backend="local")
        >>> reply = session.ask(rt.speak("What is two plus three?")).result()      # in a cell: await session.ask(…)
        >>> reply.transcript
        '2 plus 3 is 5.'
        >>> session.close().result()
        """
        return submit(self._answers.ask(checked_content(content), checked_timeout_s(timeout_s)))

    def respond(self, *, timeout_s: float | None = REPLY_TIMEOUT_S, **options: Any) -> Pending[Reply]:
        """Ask for a response to the conversation as it is.

        Parameters
        ----------
        timeout_s : float or None, default 120
            As for `ask`.
        **options
            Overrides for this response, by the API's names: ``instructions``, ``output_modalities``, ``metadata``,
            ``conversation="none"``, ``input``, ``tools``, ``tool_choice``, ``max_output_tokens``, ….

        Examples
        --------
        >>> import realtime_nb as rt
        >>> with rt.RealtimeSession(backend="local") as session:
        ...     print(session.respond(instructions='Say "Welcome!"').result().transcript)
        Welcome!
        """
        unknown = set(options) - set(ResponseOptions.__struct_fields__)
        if unknown:
            raise SettingsError(f"{sorted(unknown)} cannot be set for one response; see respond()'s docstring")
        return submit(self._answers.respond(ResponseOptions(**options), checked_timeout_s(timeout_s)))

    def open_in_browser(self) -> str:
        """Open a separate page for talking with the session, in this machine's browser.

        It shows the session's `VoicePanel` in a full window; a session without a panel gets one. Use it in scripts, and
        where a notebook may not use the microphone, as in VS Code; the panel in the notebook then only watches.

        Returns
        -------
        address : str
            ``http://127.0.0.1:…``. Its path is a key: anyone who has it and can reach this machine's loopback can
            listen and talk. It ends with the panel.

        Warns
        -----
        UserWarning
            If no browser can be started here, e.g. because the kernel is on another machine. Through Jupyter's proxy
            the page is at ``proxy/PORT/…`` below the server's own address.
        """
        return open_page(self)

    def send_audio(self, pcm: bytes, sample_rate: int = WIRE_SAMPLE_RATE, *, captured_ms: float | None = None) -> None:
        """Send microphone audio; returns at once, from any thread.

        While the session is not open, the audio is dropped and counted in `dropped_audio_ms`.

        Parameters
        ----------
        pcm : bytes
            16-bit little-endian mono PCM.
        sample_rate : int, default 24000
            In Hz; another rate is resampled, keeping state from call to call.
        captured_ms : float, optional
            Session time at which the last sample was captured, if known, for `realtime_nb.timeline`.

        Raises
        ------
        AudioError
            If the length is odd, or the rate not positive and whole.
        """
        if len(pcm) % 2:
            raise AudioError(f"PCM16 has two bytes a sample, but {len(pcm)} bytes were given")
        sample_rate = checked_sample_rate(sample_rate)
        arrived_ms = None if captured_ms is None else self.elapsed_ms
        call_soon(self._input.send, pcm, sample_rate, captured_ms, arrived_ms)

    def listen_to(self, clip: AudioClip, *, speed: float = 1.0, hears_out: bool = False) -> Pending[Conversation]:
        """Send a clip as an open microphone would, and let turn detection find the turns in it.

        Silence follows until the last turn is answered. Speech during an answer cuts it off at that point, as if the
        answer were played while the clip goes on.

        Parameters
        ----------
        clip : AudioClip
            The sound of the microphone.
        speed : float, default 1.0
            How much faster than real time to send it, 0.1 to 20. Pauses are measured in the clip, so the turns stay the
            same; but answers take their own time, and so come later in the clip. With the local voice, answers are cut
            off in nearly the same places up to 4; at 8 they come too late to be cut off.
        hears_out : bool, default False
            Whether the silence lasts until the last answer would have been played to its end; by default until it is
            made.

        Returns
        -------
        conversation : Pending of Conversation
            The session's conversation.

        Raises
        ------
        SettingsError
            If you end turns by hand, or the speed is out of range.
        ConnectionLost
            If the session ends meanwhile.
        """
        check_is_clip(clip)
        if not _SLOWEST <= speed <= _FASTEST:
            raise SettingsError(f"speed={speed!r} must be between {_SLOWEST} and {_FASTEST}")
        if self.turn_detection is None:
            raise SettingsError("turn_detection=None finds no turns in a clip: set 'server_vad', or ask() turn by turn")
        return submit(self._listen_to(clip, speed, hears_out))

    def commit(self) -> Pending[str]:
        """End the person's turn by hand; the result is the turn's item id."""
        return submit(self._commit())

    def clear(self) -> Pending[bool]:
        """Drop audio that was sent but has not become a turn."""
        return submit(self._clear())

    def interrupt(self) -> Pending[bool]:
        """Stop the voice: playback at once, and the response if one is being made.

        The result is `True` if a response was being made.
        """
        return submit(self._interrupt())

    def update(self, **options: Unpack[Options]) -> Pending[None]:
        """Change settings; the names are those of the constructor.

        Raises
        ------
        SettingsError
            If a setting is unknown, or not one that the API takes.
        ServerError
            If the server refuses it.
        ReplyTimeout
            If the server neither takes nor refuses it within 120 s.

        Examples
        --------
        >>> import realtime_nb as rt
        >>> with rt.RealtimeSession(backend="local") as session:
        ...     session.update(turn_detection={"type": "semantic_vad", "eagerness": "low"}).result()
        ...     session.turn_detection["type"]
        'semantic_vad'
        """
        given: dict[str, Any] = dict(options)
        functions: dict[str, Tool] = {}
        if given.get("tools"):
            given["tools"], functions = read_tools(given["tools"])
        session_from_options(**given)
        if "instructions" in given or "tools" in given:
            self.warn_of_cache("changing instructions or tools")
        return submit(self._update(given, functions))

    def send_function_output(self, call_id: str, output: str) -> Pending[None]:
        """Answer a function call of the model; then let it go on with `respond`."""
        return submit(self._create_item(Item(type="function_call_output", call_id=call_id, output=output)))

    def heard(self, item_id: str, played_ms: int, *, stopped: bool = False) -> None:
        """Take a speaker's report, like `Session.heard`, and tell the server where playback was cut off."""
        call_soon(self._heard, Heard(item_id=item_id, played_ms=int(played_ms), stopped=stopped))

    def is_late(self, response_id: str) -> bool:
        """Return whether a response was cut off; the rest of it must not be played."""
        return self._protocol.is_late(response_id) or self._guarding.is_flagged(response_id)

    # --- on the I/O thread ---

    async def _close(self) -> None:
        self._answers.close()
        await self._hang_up()

    async def _hang_up(self, error: BudgetReached | None = None) -> None:
        await self._connection.close(error)
        await self._guard_api.close()

    async def _halt(self, error: BudgetReached) -> None:
        active = self._protocol.active_response_id
        if self._connection.is_open and self._protocol.cancel() and active:
            done = self._session_events.watch(lambda event: event if _is_end_of(event, active) else None)
            self._connection.flush()
            with contextlib.suppress(TimeoutError, RealtimeError):
                await asyncio.wait_for(done, _LAST_WORD_WAIT_S)  # Its usage comes at its end.
        await self._hang_up(error)

    async def _connect(self) -> None:
        if not self._connection.is_open:
            self._watch.check()
            self._input.begin()
        await self._connection.open(self.backend, self.model, self._asked_settings)
        if text := self._to_disclose:
            self._to_disclose = ""
            # Before anything is asked: after a question it would take the place of the answer.
            await self._answers.once(ResponseOptions(instructions=f'Say exactly: "{text}"', tool_choice="none"), 0)

    async def _move_to(self, backend: Backend, model: str, connect: bool) -> None:
        before = _defaults_of(self.backend)
        chosen = {name: value for name, value in self._options.items() if before.get(name, UNSET) != value}
        options = _defaults_of(backend) | chosen
        settings = session_from_options(**options)
        await self._hang_up()  # Questions that wait are put there.
        self.backend, self.model, self._options, self._asked_settings = backend, model, options, settings
        self._bill(self.model, self._transcription_model)
        self.backend.check_model(self.model)
        self._guard_api.backend = backend
        if connect:
            await self._connect()

    async def _attempt(self) -> None:
        await self._connection.attempt(self.backend, self.model, self._asked_settings)

    async def _listen_to(self, clip: AudioClip, speed: float, hears_out: bool) -> Conversation:
        await self._connect()
        await send_live(self, clip, speed, hears_out=hears_out)
        return self.conversation

    async def _commit(self) -> str:
        await self._connection.settled()
        committed: ev.InputAudioBufferCommitted = await self._connection.acknowledged(self._protocol.commit())
        return committed.item_id

    async def _clear(self) -> bool:
        await self._connection.settled()
        await self._connection.acknowledged(self._protocol.clear())
        return True

    def _cut(self, response_id: str) -> None:
        self._answers.cut(response_id)

    def _refuse(self, item_id: str, response_id: str) -> None:
        self._answers.forget(item_id, response_id)

    async def _delete(self, turns: list[Turn]) -> None:
        await self._connect()
        await self._items.delete(turns)

    async def _edit(self, turn: Turn, text: str) -> Turn:
        await self._connect()
        return await self._items.edit(turn, text)

    async def _rerun(self, turn: Turn) -> Reply:
        async def ask_again() -> None:
            self._session_events.announce(Interrupted())  # An answer that is still playing is being removed.
            await self._items.ask_again(turn)

        return await self._answers.respond(ResponseOptions(), first=ask_again)

    async def _aside(self, prompt: str, about: list[Turn] | None, max_output_tokens: int) -> Reply:
        options = ResponseOptions(
            conversation="none",
            instructions=prompt,
            input=UNSET if about is None else [{"type": "item_reference", "id": turn.item_id} for turn in about],
            output_modalities=["text"],
            tools=[],
            tool_choice="none",
            max_output_tokens=max_output_tokens,
        )
        return await self._answers.once(options, 0)

    async def _create_item(self, item: Item) -> None:
        await self._connect()

        def is_added(event: Any) -> bool:
            if not isinstance(event, ev.ConversationItemAdded):
                return False
            return event.item.id == item.id if item.id else event.item.call_id == item.call_id

        await self._connection.acknowledged(self._protocol.create_item(item), is_added)

    def _check_sees(self) -> None:
        """Every model of this API takes pictures; a server reports a model that does not."""

    async def _show_frame(self, frame: Picture) -> Any:
        item = message_item([frame])
        await self._create_item(item)
        return item.id

    async def _take_back(self, shown: Any) -> None:
        await self._connection.acknowledged(
            self._protocol.delete_item(shown),
            lambda event: isinstance(event, ev.ConversationItemDeleted) and event.item_id == shown,
        )

    async def _update(self, options: dict[str, Any], functions: dict[str, Tool]) -> None:
        await self._connection.settled()
        if self._connection.is_open:
            await self._connection.acknowledged(self._protocol.update(session_from_options(**options)))
        # Kept, for the next connection too, only if the server has taken them.
        if "tools" in options:
            self._calls.set(options["tools"], functions)
        self._options.update(options)
        self._asked_settings = session_from_options(**self._options)

    async def _interrupt(self) -> bool:
        self._session_events.announce(Interrupted())
        if not self._connection.is_open:
            return False
        stopped = self._protocol.cancel()
        self._connection.flush()
        return stopped

    def _heard(self, heard: Heard) -> None:
        self._session_events.note("local", heard)
        if heard.stopped and self._connection.is_open and self._renewal.knows(heard.item_id):
            self._tell_heard(heard)
            self._connection.flush()
        self._session_events.tell(heard)

    def _tell_heard(self, heard: Heard) -> None:
        """Tell the server where an answer was cut off, so that the model knows what was heard."""
        turn = self.conversation.turn(heard.item_id)
        reply = self.conversation.reply((turn and turn.response_id) or "")
        if turn is None or (reply is not None and not reply.in_conversation):
            return
        if heard.played_ms <= 0:
            self._protocol.forget(turn.item_id, turn.response_id)
        # The server may have made more of an unfinished answer than has arrived.
        elif not turn.done or heard.played_ms < sum(part.audio_ms for part in turn.parts.values()):
            self._protocol.truncate(turn.item_id, heard.played_ms, turn.response_id)


def _defaults_of(backend: Backend) -> dict[str, Any]:
    """Return the default settings of a session."""
    # OpenAI gives probabilities for some of its transcription models only.
    own = {"include": [_LOGPROBS]} if backend.name == "local" else {}
    return {"voice": backend.voice, "transcription": backend.transcription, **own}


def _is_end_of(event: Any, response_id: str) -> bool:
    return isinstance(event, ev.ResponseDone) and event.response.id == response_id
