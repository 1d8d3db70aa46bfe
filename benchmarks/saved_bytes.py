"""What a minute of speech takes in a saved notebook, against `IPython.display.Audio`.

Speech of the local voice with pauses between the sentences, at 24 kHz. Each record is the only output of a notebook,
and the size of the notebook without it is not counted. Pictures are counted separately: they do not grow with the
audio.
"""

from __future__ import annotations

import nbformat
import numpy as np
from IPython.core.formatters import DisplayFormatter
from IPython.display import Audio
from nbformat.v4 import new_code_cell, new_notebook, new_output

import realtime_nb as rt
from realtime_nb.media.clip import AudioClip, concatenate
from realtime_nb.views import mimebundle

_SENTENCES = (
    "What can you do?",
    "The clock of this computer says ten past nine.",
    "Two plus three is five, and nobody has ever doubted it.",
    "She sells sea shells by the sea shore, and six thick thistle sticks hiss.",
)


def minute() -> AudioClip:
    pause = AudioClip(np.zeros(6_000, np.float32))
    clips: list[AudioClip] = []
    while sum(clip.duration_s for clip in clips) < 60:
        for sentence in _SENTENCES:
            clips += [rt.speak(sentence), pause]
    return concatenate(clips).cut(0, 60)


def saved(bundle: dict[str, str]) -> int:
    """Return the bytes that an output adds to a notebook's file."""

    def size(outputs: list[object]) -> int:
        return len(nbformat.writes(new_notebook(cells=[new_code_cell("1", outputs=outputs)])).encode())

    return size([new_output("display_data", data=bundle)]) - size([])


def main() -> None:
    clip = minute()
    rival = saved(DisplayFormatter().format(Audio(clip.samples, rate=clip.sample_rate))[0])
    print("| a minute of speech | bytes in the .ipynb | of IPython.display.Audio |")
    print("|---|---|---|")
    print(f"| `IPython.display.Audio` | {rival:,} | 1 |")
    ours = saved(mimebundle(clip))
    print(f"| `AudioClip` | {ours:,} | 1/{rival / ours:.1f} |")
    with rt.RealtimeSession(backend="local") as session:
        for question in ("What can you do?", "What is two plus three?", "What time is it?"):
            session.ask(rt.speak(question)).result(60)
    conversation = session.conversation
    seconds = sum(turn.audio.duration_s for turn in conversation if turn.audio)
    bundle = mimebundle(conversation)
    png = len(bundle["image/png"])
    words_and_players = saved(bundle) - 2 * png  # Once in the HTML, once on its own.
    a_minute = words_and_players * 60 / seconds
    print(
        f"| a conversation's words and players, per minute of both sides | {a_minute:,.0f} | 1/{rival / a_minute:.1f} |"
    )
    print(
        f"\nThe conversation's picture is {png:,} bytes, of {seconds:.0f} s; a longer one shows its last two minutes."
    )


if __name__ == "__main__":
    main()
