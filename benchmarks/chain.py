"""First audio of a chain, sentence by sentence against step by step.

Run: ``python benchmarks/chain.py``. The same steps twice: a text model that writes a four-sentence answer at 40 words
a second, as a fast hosted one does, and the local voice's transcriber and speaker. The rival is the same chain, but
it speaks only when the text is complete, like a script of three calls. Measured in turn; medians.
"""

import asyncio
import statistics

import realtime_nb as rt
from realtime_nb.sessions.stages import StepUsage

ANSWER = (
    "The museum opens at nine in the morning. You can buy a ticket at the door or on the web. "
    "Children under twelve come in for free. The garden behind the house closes an hour before sunset."
)
WORDS_PER_S = 40
ROUNDS = 9


class Writer:
    """Writes the answer word by word, or all at once."""

    model = "writer"

    def __init__(self, *, whole: bool):
        self._whole = whole

    async def answer(self, messages):
        """Yield the words, then their usage."""
        words = [f"{word} " for word in ANSWER.split(" ")]
        for word in words:
            await asyncio.sleep(1 / WORDS_PER_S)
            if not self._whole:
                yield word
        if self._whole:
            yield "".join(words)
        yield StepUsage({"output_token_details": {"text_tokens": len(words)}})


def main() -> None:
    """Print the table."""
    question = rt.speak("When does the museum open?")
    chains = [rt.CascadeSession(backend="local", text_model=Writer(whole=whole)) for whole in (False, True)]
    for chain in chains:
        chain.ask(question).result(60)
    pairs = [[chain.ask(question).result(60).timing.first_audio_ms for chain in chains] for _ in range(ROUNDS)]
    first, second = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print("| | by sentence | step by step | ratio |\n|---|---|---|---|")
    print(f"| first audio of a four-sentence answer | {first:.0f} ms | {second:.0f} ms | {ratio:.2f} |")
    for chain in chains:
        chain.close().result(10)


if __name__ == "__main__":
    main()
