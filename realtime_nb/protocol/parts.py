"""Which parts of the local voice answer, as its server tells it: ``parts`` in ``GET /v1/models``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

#: The local voice's model that stands for whichever brain its server has.
DEFAULT_MODEL = "local-voice"


@dataclass(frozen=True, slots=True)
class LocalPart:
    """What does one of the local voice's four jobs."""

    name: str
    """As people call it, e.g. ``"PocketSphinx"``."""
    version: str = ""
    """Of the package that it comes in; empty if it has none, or none is known."""
    licence: str = ""
    """As SPDX names it where it can, e.g. ``"BSD-2-Clause"``; empty if it is not known."""

    @classmethod
    def of_package(cls, name: str, distribution: str, licence: str) -> LocalPart:
        """Return a part with the version of the distribution that it comes in, which is named where it differs."""
        from importlib import metadata

        try:
            version = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            version = ""
        is_named = distribution.lower() == name.lower()
        return cls(name, version if is_named or not version else f"{distribution} {version}", licence)

    def __str__(self) -> str:
        # A version that names its package stands in the brackets, a plain one behind the name.
        plain = self.version[:1].isdigit()
        told = ", ".join(filter(None, ["" if plain else self.version, self.licence]))
        return f"{self.name}{f' {self.version}' if plain else ''}{f' ({told})' if told else ''}"


#: The jobs of which an answer says who did them.
JOBS = ("ears", "voice", "end_of_turn")
#: The header in which an answer of the speech endpoint says what spoke.
VOICE_HEADER = "x-local-voice"


def joined_names(names: Iterable[str]) -> str:
    """Return the names of those who did one job, each once."""
    return " and ".join(filter(None, dict.fromkeys(names)))


def answered_by(parts: Any) -> dict[str, str]:
    """Return who did which job for one answer, as the local server says it; empty for other servers."""
    found = {job: parts.get(job) for job in JOBS} if isinstance(parts, dict) else {}
    return {job: name for job, name in found.items() if isinstance(name, str) and name}


@dataclass(frozen=True, slots=True)
class LocalParts:
    """Which parts of the local voice answer; ``str()`` is one line.

    Parameters
    ----------
    ears : LocalPart
        What writes down what people say.
    voice : LocalPart
        What speaks.
    end_of_turn : LocalPart
        What hears that somebody speaks, and when they are done.
    brain : LocalPart
        What decides on the answer: rules, or a text model that runs on this machine.
    """

    ears: LocalPart
    voice: LocalPart
    end_of_turn: LocalPart
    brain: LocalPart

    def __str__(self) -> str:
        jobs = {"ears": self.ears, "voice": self.voice, "end of turn": self.end_of_turn, "brain": self.brain}
        return " · ".join(f"{job}: {part}" for job, part in jobs.items())

    def to_dict(self) -> dict[str, dict[str, str]]:
        """Return it as JSON has it: ``{"ears": {"name": …, "version": …, "licence": …}, …}``."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> LocalParts:
        """Read it back.

        Raises `ValueError` if that is not what `to_dict` makes.
        """
        try:
            return cls(**{job: LocalPart(**part) for job, part in data.items()})
        except (AttributeError, TypeError):
            raise ValueError(f"{data!r:.200} does not tell the parts of a local voice") from None
