"""Which parts of the local voice answer, according to its server: ``parts`` in ``GET /v1/models``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

#: The name of the local voice's model, whatever brain its server has.
DEFAULT_MODEL = "local-voice"


@dataclass(frozen=True, slots=True)
class LocalPart:
    """A program or model that does one of the local voice's four jobs."""

    name: str
    """Its usual name, e.g. ``"PocketSphinx"``."""
    version: str = ""
    """The version of the package that it comes in; empty if it is not known."""
    licence: str = ""
    """Its licence, by its SPDX name if there is one, e.g. ``"BSD-2-Clause"``; empty if it is not known."""

    @classmethod
    def of_package(cls, name: str, distribution: str, licence: str) -> LocalPart:
        """Return a part with the version of the distribution that it comes in, which is named if its name differs."""
        from importlib import metadata

        try:
            version = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            version = ""
        is_named = distribution.lower() == name.lower()
        return cls(name, version if is_named or not version else f"{distribution} {version}", licence)

    def __str__(self) -> str:
        # A version that names its package goes into the brackets, a plain one after the name.
        plain = self.version[:1].isdigit()
        told = ", ".join(filter(None, ["" if plain else self.version, self.licence]))
        return f"{self.name}{f' {self.version}' if plain else ''}{f' ({told})' if told else ''}"


#: The jobs for which an answer says which part did them.
JOBS = ("ears", "voice", "end_of_turn")
#: The header in which the speech endpoint says which part spoke.
VOICE_HEADER = "x-local-voice"


def joined_names(names: Iterable[str]) -> str:
    """Return the names of those who did one job, each once."""
    return " and ".join(filter(None, dict.fromkeys(names)))


def answered_by(parts: Any) -> dict[str, str]:
    """Return which part did which job for an answer, according to the local server; empty for other servers."""
    found = {job: parts.get(job) for job in JOBS} if isinstance(parts, dict) else {}
    return {job: name for job, name in found.items() if isinstance(name, str) and name}


@dataclass(frozen=True, slots=True)
class LocalParts:
    """Which parts of the local voice answer; ``str()`` is one line."""

    ears: LocalPart
    voice: LocalPart
    end_of_turn: LocalPart
    brain: LocalPart

    def __str__(self) -> str:
        return " · ".join(f"{job.replace('_', ' ')}: {name}" for job, name in self.names().items())

    def names(self) -> dict[str, str]:
        """Return the name of each part by its job, with version and licence."""
        return {each.name: str(getattr(self, each.name)) for each in fields(self)}

    def to_dict(self) -> dict[str, dict[str, str]]:
        """Return it in the shape of JSON: ``{"ears": {"name": …, "version": …, "licence": …}, …}``."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> LocalParts:
        """Read what `to_dict` returned.

        Raises `ValueError` if the data has another shape.
        """
        try:
            return cls(**{job: LocalPart(**part) for job, part in data.items()})
        except (AttributeError, TypeError):
            raise ValueError(f"{data!r:.200} does not tell the parts of a local voice") from None
