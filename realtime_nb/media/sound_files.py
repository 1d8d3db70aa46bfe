"""Sound files as samples: all formats of libsndfile, and with PyAV, if it is installed, those of FFmpeg too.

A file is read block by block to its end. The length in its header is never trusted: a file that was written to a pipe
does not know its length, and others claim too much or too little.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import math
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ..errors import AudioError
from ..numeric import np, soundfile, soxr
from . import pyav

if TYPE_CHECKING:
    import numpy.typing as npt

Samples: TypeAlias = "npt.NDArray[np.float32]"

_SAMPLES_AT_ONCE = 65_536
# A lower rate is not sound, and resampling to 24 kHz would turn a small file into gigabytes.
_LOWEST_RATE = 1_000
# Channels cancel each other if their sum has less than this share of their separate power. The share is 1 if they have
# nothing in common, or if all but one are silent.
_CANCELLED = 0.25
_MOST_CANCELLED = 0.05  # of the whole sound's power
_SAMPLES_TO_MIX = 8_192
# Decoders and resamplers overshoot full scale a little; clipping this much is not audible.
_OVERSHOOT = 1.2
#: Floating point beyond this is whole numbers that were not divided by their full scale.
UNDIVIDED = 8.0
_FULL_SCALES = (2.0**7, 2.0**15, 2.0**23, 2.0**31)
# The first bytes of files, long enough that they never occur within sound by chance.
_BEGINNINGS = (
    re.compile(rb"(?:RIFF|RF64)[\s\S]{4}WAVE"),
    re.compile(rb"fLaC[\x00\x80]\x00\x00\x22"),
    re.compile(rb"FORM[\s\S]{4}AIF[FC]"),
    re.compile(rb"caff\x00\x01\x00\x00desc"),
    re.compile(rb"\.snd\x00\x00[\s\S]{6}\x00\x00\x00[\x01-\x1b]\x00"),
    re.compile(rb"\x1a\x45\xdf\xa3[\s\S]{1,8}?\x42\x86\x81\x01"),  # Matroska and WebM (RFC 8794 §11.2)
    re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"),  # WMA
    re.compile(rb"#!AMR(?:-WB)?\n"),  # RFC 4867 §5
)
# What libsndfile's log says of a length in bytes that the file does not have.
_TOO_LONG = re.compile(r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_NO_LENGTH = 0x7F000000  # bytes; programs that write to a pipe claim this much or more
# A WAV chunk begins with its name, which is printable.
_CHUNK = re.compile(rb"[ -~]{4}")
_MOST_PADDING = 128  # bytes
_UNKNOWN = 2**40  # samples: 200 days, libsndfile's length for files that do not tell theirs
_FLAC_LENGTH = 21  # position of the byte whose lower half begins the 36 bits of the length (RFC 9639 §8.2)
_TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
# A header may be off by this many frames: some encoders count the frame that holds the count.
_UNCOUNTED = 1


def read(data: bytes, name: str, longest_s: float = math.inf) -> tuple[Samples, int]:
    """Return the samples of a sound file, its channels mixed to one, and their rate in Hz.

    `data`: the file. Several files of a kind, end to end as speech services send them, are read as one.
    `longest_s`: the most seconds of mono sound to decode (fewer at rates above 48 kHz).

    Raises `AudioError` if it is not sound, is damaged, or is longer; or if only FFmpeg reads it and PyAV is missing.

    Warns if the result differs from the file: floating point far beyond full scale, channels that cancel each other, or
    a file that ends before the length in its header.
    """
    try:
        pieces, sample_rate = _pieces(data, name, longest_s)
        if not sum(len(piece) for piece in pieces):
            raise AudioError(f"{name!r} holds no samples")
        samples = np.concatenate([_mixed(piece, name) for piece in pieces])
    except MemoryError as error:
        raise AudioError(f"{name!r} holds more sound than there is memory: cut it into shorter files") from error
    return _scaled(samples, name), sample_rate


def _pieces(data: bytes, name: str, longest_s: float) -> tuple[list[Samples], int]:
    """Return the sound of each of the files in `data`, shaped (n, channels), all at the first one's rate."""
    while length := _id3_length(data, 0):  # Such tags also precede formats other than MP3, and hide what follows.
        data = data[length:]
    parts = _parts(data, name)
    pieces: list[Samples] = []
    sample_rate, left_s = 0, longest_s
    for part in parts:
        samples, rate = _decoded(part, name, left_s)
        if rate < _LOWEST_RATE:
            raise AudioError(f"{name!r} claims a sample rate of {rate} Hz: sound has {_LOWEST_RATE} Hz or more")
        left_s -= samples.size / min(rate, 48_000)
        sample_rate = sample_rate or rate
        pieces.append(samples if rate == sample_rate else soxr.resample(samples, rate, sample_rate))
    return pieces, sample_rate


def _parts(data: bytes, name: str) -> list[bytes]:
    """Split `data` into files of a kind that are joined end to end."""
    for beginning in _BEGINNINGS:
        if starts := [match.start() for match in beginning.finditer(data)] if beginning.match(data) else []:
            return _cut(data, starts)
    if data[:4] == b"OggS":
        return _ogg_parts(data, name)
    if pyav.format_of(data) == "mp4":
        return _mp4_parts(data)
    if _mpeg_header(data, 0) is not None:
        return _mpeg_parts(data, name)
    return [data]


def _decoded(data: bytes, name: str, longest_s: float, *, to_its_end: bool = True) -> tuple[Samples, int]:
    format = pyav.format_of(data)
    if format == "aac":  # libsndfile reads some of these as MP3.
        return pyav.decode(data, format, name, longest_s)
    whole = data
    data, announced = _without_length(data, name) if to_its_end else (data, 0)
    blocks: list[Samples] = []
    seconds = 0.0
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as opened:
            # python-soundfile seeks after each block if libsndfile says that it can. With GSM 6.10, G.72x, NMS ADPCM,
            # XI and DWVW it says so, but cannot.
            opened.seekable = lambda: False
            rate, is_guess = opened.samplerate, opened.subtype.startswith("MPEG")
            announced = announced or opened.frames
            announced_s = announced * opened.channels / min(rate, 48_000)
            if longest_s < announced_s and announced < _UNKNOWN:  # So hours need not be decoded to find out.
                raise AudioError(f"{name!r} holds {announced_s:.0f} s, but at most {longest_s:.0f} s are taken")
            announced = _claimed(opened) or announced
            at_once = max(1, _SAMPLES_AT_ONCE // opened.channels)
            left = math.inf if to_its_end else announced
            while len(block := opened.read(min(at_once, left), dtype="float32", always_2d=True)):
                left -= len(block)
                seconds += block.size / min(rate, 48_000)
                if seconds > longest_s:
                    raise AudioError(f"{name!r} holds more than {longest_s:.0f} s, the most that is taken")
                blocks.append(block)
    except soundfile.LibsndfileError as error:
        if format is not None and not blocks:
            try:
                return pyav.decode(data, format, name, longest_s)
            except AudioError:
                if format not in pyav.READABLE_TOO:
                    raise
        if announced and to_its_end and format is None:  # The sound may be followed by something else, such as a tag.
            with contextlib.suppress(AudioError):
                samples, rate = _decoded(whole, name, longest_s, to_its_end=False)
                if not whole.endswith(bytes(_MOST_PADDING)) and not any(tag in whole[-160:] for tag in _MARKS[1:]):
                    _warn(f"the data after the sound of {name!r} is not sound, and is left out")
                return samples, rate
        what = "is not audio that libsndfile can read"
        if blocks:
            what = f"is damaged after {sum(map(len, blocks)) / rate:.1f} s"
        way_out = "convert it to WAV, FLAC, Ogg, Opus or MP3"
        raise AudioError(f"{name!r} {what} ({error.error_string}): {way_out}") from error
    samples = np.concatenate(blocks) if blocks else np.zeros((0, 1), np.float32)
    if len(samples) < announced < _UNKNOWN and not is_guess:
        _warn(f"{name!r} announces {announced / rate:.2f} s of sound, but has only {len(samples) / rate:.2f} s")
    return samples, rate


def _claimed(opened: soundfile.SoundFile) -> int:
    """Return how many frames a header claims, if the file has fewer; libsndfile counts only those."""
    for claimed, actual in _TOO_LONG.findall(opened.extra_info):
        if _MOST_PADDING < int(claimed) - int(actual) and int(claimed) < _NO_LENGTH and int(actual):
            return round(int(opened.frames) * int(claimed) / int(actual))
    return 0


def _without_length(data: bytes, name: str) -> tuple[bytes, int]:
    """Return a file whose header no longer limits its length, and the length that a FLAC header claimed."""
    if data[:4] == b"RIFF":
        return _with_wave_length(data, name), 0
    if data[:4] != b"fLaC" or len(data) < _FLAC_LENGTH + 5:
        return data, 0
    stop = _FLAC_LENGTH + 5
    length = int.from_bytes(data[_FLAC_LENGTH:stop], "big") & (1 << 36) - 1
    unknown = bytes([data[_FLAC_LENGTH] & 0xF0, 0, 0, 0, 0])
    return data[:_FLAC_LENGTH] + unknown + data[stop:], length


def _with_wave_length(data: bytes, name: str) -> bytes:
    """Return a WAV file whose sound reaches to its end if its header says 0, as in files that were never closed."""
    at = 12
    while at + 8 < len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        if kind == b"data":
            break
        at += 8 + size + size % 2
    else:
        return data
    behind = at + 8 + size + size % 2
    rest = data[behind:].strip(b"\0") if behind < len(data) else b""
    if len(rest) <= _MOST_PADDING or _CHUNK.match(data, behind) or rest.startswith(_MARKS[1:]):
        return data
    if size == 0:
        return data[: at + 4] + b"\xff" * 4 + data[at + 8 :]
    _warn(f"{name!r} has {len(rest)} bytes after the sound that its header announces: they are left out")
    return data


def _mixed(samples: Samples, name: str) -> Samples:
    """Average the channels; if they cancel each other, take the loudest."""
    if samples.shape[1] == 1:
        return samples[:, 0]
    cancelled, powers = 0.0, np.zeros(samples.shape[1])
    for start in range(0, len(samples), _SAMPLES_TO_MIX):
        block = samples[start : start + _SAMPLES_TO_MIX].T.copy()  # 20 times faster than on interleaved channels.
        block -= block.mean(axis=1, keepdims=True)  # A constant is not sound.
        together = block.sum(axis=0)
        apart = np.einsum("ij,ij->i", block, block)
        powers += apart
        cancelled += apart.sum() if np.dot(together, together) < _CANCELLED * apart.sum() else 0.0
    if not cancelled > _MOST_CANCELLED * powers.sum():
        mixed: Samples = samples.mean(axis=1)
        return mixed
    loudest = int(powers.argmax())
    _warn(f"the channels of {name!r} cancel each other when they are averaged: only channel {loudest + 1} is taken")
    return samples[:, loudest]


def _scaled(samples: Samples, name: str) -> Samples:
    peak = float(np.abs(samples).max())
    if not math.isfinite(peak):
        raise AudioError(f"{name!r} holds samples that are NaN, infinite or beyond single precision: export it again")
    if not peak > _OVERSHOOT:
        return samples
    full_scale = peak
    if peak > UNDIVIDED:
        full_scale = next((scale for scale in _FULL_SCALES if peak <= scale), peak)
    _warn(f"{name!r} reaches {peak:,.6g} × full scale: its samples are divided by {full_scale:,.6g}")
    return samples / np.float32(full_scale)


def _warn(text: str) -> None:
    # The caller of `AudioClip.from_file` is at no fixed depth; the text names the file.
    warnings.warn(text, UserWarning, stacklevel=2)


# --- several files in one -----------------------------------------------------------------------------------------


def _ogg_parts(data: bytes, name: str) -> list[bytes]:
    """Split a chained Ogg file where a stream begins after pages that did not begin one (RFC 3533 §6)."""
    starts, at, began, lost = [0], 0, True, 0
    while at < len(data):
        header = data[at : at + 27]
        if header[:4] != b"OggS" or len(header) < 27:
            found = data.find(b"OggS", at + 1)
            stop = len(data) if found < 0 else found
            lost += len(data[at:stop].rstrip(b"\0"))
            at = stop
            continue
        begins = bool(header[5] & 2)
        if begins and not began:
            starts.append(at)
        began = begins
        page = data[at : at + 27 + header[26] + sum(data[at + 27 : at + 27 + header[26]])]
        if not _is_whole(page):  # Decoders skip it without an error.
            lost += len(page)
        at += len(page)
    _tell_lost(lost, name)
    return _cut(data, starts)


def _is_whole(page: bytes) -> bool:
    """Return whether an Ogg page has the right checksum: zlib's CRC with reversed bits, starting at 0."""
    turned = (page[:22] + bytes(4) + page[26:]).translate(_TURNED)
    checksum = zlib.crc32(turned, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return checksum.to_bytes(4, "little").translate(_TURNED)[::-1] == page[22:26]


def _mp4_parts(data: bytes) -> list[bytes]:
    """Split MP4 files where the boxes of the next one begin (ISO/IEC 14496-12 §4.2)."""
    starts, at = [0], 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"ftyp" and at:
            starts.append(at)
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:
            break
        at += size
    return _cut(data, starts)


def _cut(data: bytes, starts: list[int]) -> list[bytes]:
    return [data[start:stop] for start, stop in itertools.pairwise([*starts, len(data)])]


class _Header(NamedTuple):
    """The header of an MPEG audio frame (ISO/IEC 11172-3 §2.4.1.3, 13818-3)."""

    length: int
    kind: tuple[int, int, int, bool]  # version, layer, rate and whether it is mono


_LAYER_1, _LAYER_2, _LAYER_3 = 3, 2, 1
_MPEG_1 = 3
_BITRATES = {  # kbit/s, by whether it is MPEG-1, and layer
    (True, _LAYER_1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, _LAYER_2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, _LAYER_3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, _LAYER_1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, _LAYER_2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, _LAYER_3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_ROOMY = 8  # the bitrate whose frames have room for a count at every rate and version
_MARKS = (b"\xff", b"TAG", b"APETAGEX", b"ID3")
_ID3V1, _APE = 128, 32


def _mpeg_header(data: bytes, at: int) -> _Header | None:
    head = data[at : at + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer, bitrate, rate = (head[1] >> 3) & 3, (head[1] >> 1) & 3, head[2] >> 4, (head[2] >> 2) & 3
    if version == 1 or layer == 0 or bitrate in (0, 15) or rate == 3:
        return None
    bits_per_s = 1000 * _BITRATES[version == _MPEG_1, layer][bitrate - 1]
    sample_rate = _MPEG_RATES[version][rate]
    padding = (head[2] >> 1) & 1
    if layer == _LAYER_1:
        length = (12 * bits_per_s // sample_rate + padding) * 4
    else:
        samples = 576 if layer == _LAYER_3 and version != _MPEG_1 else 1152
        length = samples // 8 * bits_per_s // sample_rate + padding
    return _Header(length, (version, layer, rate, head[3] >> 6 == 3))


def _count_at(header: _Header) -> int:
    """Where the encoder's count of frames begins in a layer III frame: after the side information."""
    version, _, _, is_mono = header.kind
    return 4 + ((17 if is_mono else 32) if version == _MPEG_1 else (9 if is_mono else 17))


def _claimed_frames(frame: bytes, header: _Header) -> int | None:
    """Return how many frames the encoder counted, 0 if it did not count; `None` if this frame is sound."""
    at = _count_at(header)
    if frame[at : at + 4] in (b"Xing", b"Info"):
        flags, count = struct.unpack_from(">II", frame.ljust(at + 12, b"\0"), at + 4)
        return int(count) if flags & 1 else 0
    if frame[36:40] == b"VBRI":
        return int(struct.unpack_from(">I", frame.ljust(54, b"\0"), 50)[0])
    return None


class _Run(NamedTuple):
    """Frames of one kind, after the frame that counts them, if there is one."""

    counter: bytes
    claimed: int | None
    frames: list[bytes]
    kind: tuple[int, int, int, bool]


def _mpeg_parts(data: bytes, name: str) -> list[bytes]:
    """Return MPEG audio files with correct counts in their headers; libsndfile reads as many frames as they say.

    Without a count, it guesses from the first frame's bitrate, which is wrong if the bitrate varies.
    """
    runs: list[_Run] = []
    for frame, header in _mpeg_frames(data, name):
        claimed = _claimed_frames(frame, header) if header.kind[1] == _LAYER_3 else None
        if claimed is not None:
            runs.append(_Run(frame, claimed, [], header.kind))
        elif runs and runs[-1].kind == header.kind:
            runs[-1].frames.append(frame)
        else:
            runs.append(_Run(b"", None, [frame], header.kind))
    return [_counted(run, name) for run in runs if run.frames] or [data]


def _counted(run: _Run, name: str) -> bytes:
    count = len(run.frames)
    sound = b"".join(run.frames)
    if run.claimed is not None and abs(run.claimed - count) <= _UNCOUNTED:
        return run.counter + sound
    if run.claimed is not None and run.claimed > count:
        _warn(f"{name!r} announces {run.claimed} frames of sound, but has only {count}")
    if run.kind[1] != _LAYER_3:
        return sound
    first = run.frames[0]
    # Without checksum and padding, and with room for the count.
    head = bytes([0xFF, first[1] | 1, _ROOMY << 4 | first[2] & 0x0C, first[3]])
    header = _mpeg_header(head, 0)
    assert header is not None
    counter = head.ljust(_count_at(header), b"\0") + b"Xing" + struct.pack(">II", 1, count)
    return counter.ljust(header.length, b"\0") + sound


def _mpeg_frames(data: bytes, name: str) -> Iterator[tuple[bytes, _Header]]:
    at = lost = 0
    in_step = True
    while at < len(data):
        header = _mpeg_header(data, at)
        # After damage, one frame is not enough to be sure.
        if header is not None and (in_step or _begins(data, at + header.length)):
            if at + header.length > len(data):
                break
            yield data[at : at + header.length], header
            at += header.length
            in_step = True
        elif skipped := _tag_length(data, at):
            at += skipped
        else:
            found = min(each if each > 0 else len(data) for each in (data.find(mark, at + 1) for mark in _MARKS))
            lost += len(data[at:found].strip(b"\0"))
            at = found
            in_step = False
    _tell_lost(lost, name)


def _begins(data: bytes, at: int) -> bool:
    return at >= len(data) or _mpeg_header(data, at) is not None or _tag_length(data, at) > 0


def _tell_lost(count: int, name: str) -> None:
    if count:
        _warn(f"{name!r} is damaged: {count} bytes in it are not sound, and are left out")


def _id3_length(data: bytes, at: int) -> int:
    """Return the length of an ID3v2 tag; 0 if there is none (id3.org, ID3v2.4.0 §3.1)."""
    head = data[at : at + 10]
    if head[:3] != b"ID3" or len(head) < 10 or max(head[6:10]) > 127:
        return 0
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return 10 + size + (10 if head[5] & 16 else 0)


def _tag_length(data: bytes, at: int) -> int:
    """Return the length of a tag between MPEG frames; 0 if there is none."""
    if data[at : at + 3] == b"TAG":
        return _ID3V1
    if data[at : at + 8] == b"APETAGEX":
        size, _, flags = struct.unpack_from("<III", data[at : at + 24].ljust(24, b"\0"), 12)
        # A header counts what follows it; a footer without a header counts what precedes it.
        return _APE + (int(size) if flags & 1 << 29 else 0)
    return _id3_length(data, at)
