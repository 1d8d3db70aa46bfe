"""Record and save sessions."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LocalProtocolError, RecordingError
from ..loop import Pending, call_soon, submit
from ..protocol.local_events import RECORDING_STOPPED, Remarked, StateChanged
from ..recording.files import About
from ..recording.tracks import Compact
from ..recording.writer import Recorder, Writer, claim
from .backend import Backend
from .event_log import EventLog, SessionEvents

if TYPE_CHECKING:
    from ..recording.recording import Recording


class RecordedSession(ABC):
    """Methods that record, save and close a session."""

    backend: Backend
    model: str
    log: EventLog
    _session_events: SessionEvents

    @abstractmethod
    async def _close(self) -> None:
        """End the session, on the I/O thread."""

    def close(self) -> Pending[None]:
        """End the session; its records stay. Does nothing if it is closed.

        If the session is recorded, the recording is complete once the result is there.
        """
        return submit(self._end())

    async def _end(self) -> None:
        await self._close()
        if not self._session_events.is_over:
            # It was never open: anyone iterating over its events still waits for the first.
            self._session_events.tell(StateChanged(state="closed"))
        if self._session_events.recorder is not None:
            await asyncio.to_thread(self._session_events.recorder.wait)

    def record_to(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the session into a folder while it runs, from its beginning, whenever you call this.

        Writing never holds up the session; a killed kernel loses less than the last second. When the disk is full, the
        panel, a `RuntimeWarning` and ``conversation.remarks`` say so at once; everything is still in memory, to `save`
        elsewhere, or for another `record_to`. Only their owner can read the files.

        Parameters
        ----------
        path : str or Path
            The folder, for `Recording.load`.
        overwrite : bool, default False
            Whether an existing recording may be replaced.

        Returns
        -------
        path : Path
            The folder.

        Raises
        ------
        RecordingError
            If the folder cannot be written to, or holds something else.
        LocalProtocolError
            If the session is recorded already.

        Examples
        --------
        >>> import realtime_nb as rt
        >>> session = rt.RealtimeSession(backend="local")
        >>> _ = session.record_to("lesson-3")
        >>> reply = session.ask("Hello!").result()
        >>> session.close().result()
        >>> rt.Recording.load("lesson-3").conversation.replies[0].status
        'completed'
        """
        before = self._session_events.recorder
        if before is not None and not before.has_failed:
            raise LocalProtocolError(f"the session is recorded already, to {str(before.folder)!r}")
        recorder = Recorder(self.log, claim(Path(path), overwrite=overwrite), self._about, self._tell_stopped)
        self._session_events.recorder = recorder
        if len(self.log):
            recorder.wake()
        return recorder.folder

    def save(self, path: str | Path, *, overwrite: bool = False) -> Recording:
        """Write everything so far into a folder.

        Parameters
        ----------
        path : str or Path
            The folder.
        overwrite : bool, default False
            Whether an existing recording may be replaced.

        Returns
        -------
        recording : Recording
            As `Recording.load` returns it. The session keeps an hour and a half of sent audio in memory; older audio is
            silence here, unless `record_to` recorded the session.

        Raises
        ------
        RecordingError
            If the folder cannot be written to, or holds something else.
        LocalProtocolError
            If nothing has happened yet.

        Examples
        --------
        >>> import realtime_nb as rt
        >>> with rt.RealtimeSession(backend="local") as session:
        ...     reply = session.ask("Hello!").result()
        ...     recording = session.save("lesson-4")
        >>> recording
        Recording('lesson-4', ... s, ... events)
        """
        from ..recording.recording import Recording

        self._save(Path(path), overwrite=overwrite)
        return Recording.load(path)

    def _save(self, path: Path, *, overwrite: bool = False, form: Compact | None = None) -> None:
        """Write everything so far into a folder, in a form that `Compact` describes, if there is one."""
        if not len(self.log):
            raise LocalProtocolError("there is nothing to save: the session was never open")
        writer = Writer(claim(path, overwrite=overwrite), self._about(), form)
        try:
            for elapsed_ms, direction, event, audio_bytes in self.log:
                writer.add(elapsed_ms, direction, event, audio_bytes)
            writer.finish()
        except OSError as error:
            writer.discard()
            raise RecordingError(
                f"{str(path)!r} cannot be written: {error.strerror or error}. The session keeps everything: "
                "make room, or save it elsewhere"
            ) from error

    def _tell_stopped(self, text: str) -> None:
        """Report in the conversation and the panel that the recording stopped; from the recorder's thread."""
        call_soon(self._session_events.announce, Remarked(text=text, kind=RECORDING_STOPPED))

    def _about(self) -> About:
        return About(
            session=type(self).__name__,
            model=self.model,
            backend=self.backend.name,
            url=self.backend.base_url,
            began_at=self._session_events.began_at,
            secrets=self._secrets(),
        )

    def _secrets(self) -> tuple[str, ...]:
        """Return the secrets that must never be written down."""
        return (self.backend.api_key, self.backend.user, self.backend.query)
