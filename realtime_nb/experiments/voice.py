"""How answers sound, as columns of results."""

from __future__ import annotations

from dataclasses import dataclass

from ..voice_measures import check_dnsmos, measure_voice
from .graders import Answer


@dataclass(frozen=True)
class Voice:
    """Measures the voice of each answer: pitch, rate, loudness, and quality as listeners would find it.

    Give it to `run` among ``graders``. Columns ``voice_pitch_hz``, ``voice_loudness_lufs``, …: the figures of
    `realtime_nb.voice_measures.VoiceMeasures`, each with its formula and source in `realtime_nb.measure_voice`.

    Parameters
    ----------
    dnsmos : bool, default False
        Whether to estimate what listeners would say; needs the extra ``mos`` where the work is done.

    Raises
    ------
    MissingExtra
        If DNSMOS is asked for and not installed.

    Notes
    -----
    Costs a third of an answer's length, of which the first 10 s count, for its pitch; a tenth of it for DNSMOS.

    Examples
    --------
    >>> str(Voice())
    'voice'
    """

    dnsmos: bool = False

    def __post_init__(self) -> None:
        if self.dnsmos:
            check_dnsmos()

    def __call__(self, answer: Answer) -> dict[str, float | None]:
        """Return the figures; none for an answer without sound."""
        if answer.audio is None or not len(answer.audio.samples):
            return {}
        columns = measure_voice(answer.audio, text=answer.text, dnsmos=self.dnsmos).columns
        del columns["duration_s"]  # It is `output_s`.
        return columns

    def __str__(self) -> str:
        return "voice"
