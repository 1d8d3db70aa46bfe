"""Make a saved recording small: a question that many recordings share is kept once, and sound may be Opus."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..files import read_sealed
from ..media.clip import AudioClip
from ..secrecy import Secrets
from .files import EVENTS, NAME, VERSION, content_hash, write_manifest
from .tracks import Samples16, TrackReader

#: Where shared clips are, seen from a recording: PCM16 in a WAV file that is named by the SHA-256 of its samples.
SHARED = "../../clips"


def clip_hash(clip: AudioClip) -> str:
    """Return the SHA-256 of a clip's 16-bit samples."""
    return pcm_hash(clip.to_pcm16())


def pcm_hash(pcm: bytes) -> str:
    """Return the SHA-256 of 16-bit samples."""
    return hashlib.sha256(pcm).hexdigest()


def make_compact(
    folder: Path, *, said: AudioClip | None, sound: Literal["flac", "opus"] = "flac", without: tuple[str, ...] = ()
) -> None:
    """Rewrite a finished recording.

    `said`: a shared clip; if the person's track is nothing but this and silence, it refers to that clip.
    `sound`: the codec of the other tracks; Opus changes their samples, but nothing that can be heard.
    `without`: tracks to leave out; silence takes their place.
    """
    manifest, _ = read_sealed((folder / NAME).read_bytes())
    tracks: dict[str, dict[str, Any]] = manifest.get("tracks", {})
    for name, told in tracks.items():
        rate, file = told["sample_rate"], folder / f"{name}.flac"
        if name not in ("user", *without) and sound == "flac":
            continue
        samples = TrackReader(folder, name, rate).whole
        place = _place(samples, said, rate) if name == "user" else None
        if name in without:
            told |= {"file": None, "samples": len(samples)}
        elif place is not None and said is not None:
            told |= {"file": f"{SHARED}/{clip_hash(said)}.wav", "first_sample": place, "samples": len(samples)}
        elif sound == "opus":
            (folder / f"{name}.opus").write_bytes(AudioClip.from_pcm16(samples.tobytes(), rate).encode("opus"))
            told |= {"file": f"{name}.opus", "samples": len(samples)}
        else:
            continue
        file.unlink()
        manifest["version"] = VERSION
    local = [told["file"] for told in tracks.values() if told["file"] and not told["file"].startswith(SHARED)]
    whole, files = content_hash(folder, [EVENTS, *local])
    write_manifest(folder, Secrets(), manifest | {"content_hash": f"sha256:{whole}", "files": files})


def _place(track: Samples16, said: AudioClip | None, rate: int) -> int | None:
    """Return where a clip is on a track; `None` if the track holds anything else."""
    if said is None or said.sample_rate != rate:
        return None
    samples = np.frombuffer(said.to_pcm16(), "<i2")
    sounds, ours = np.flatnonzero(track), np.flatnonzero(samples)
    if not len(sounds) or not len(ours):
        return None
    start = int(sounds[0] - ours[0])
    is_there = 0 <= start <= len(track) - len(samples) and sounds[-1] < start + len(samples)
    return start if is_there and np.array_equal(track[start : start + len(samples)], samples) else None
