"""A system of your own beside the package's: PocketSphinx hears, rules think, espeak-ng speaks, and no server is asked.

    python docs/own_cascade.py

A Hugging Face pipeline or a vendor's SDK takes the place of any of the three: only `answer` has to stay. What is slow
to load is loaded once, with `functools.cache`, when the first question comes.
"""

import functools
import re
import threading

import realtime_nb as rt

NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
GRAMMAR = f"""#JSGF V1.0;
grammar sums;
public <sum> = what is <number> (plus | minus) <number>;
<number> = {" | ".join(NUMBERS)};
"""


#: Questions are put at the same time, each to a system of its own; PocketSphinx hears one at a time.
HEARING = threading.Lock()


@functools.cache
def recogniser():
    """Load PocketSphinx with a grammar of sums."""
    from pocketsphinx import Decoder

    decoder = Decoder(samprate=16_000, lm=None, loglevel="FATAL")
    decoder.add_jsgf_string("sums", GRAMMAR)
    decoder.activate_search("sums")
    return decoder


class Calculator:
    """Adds and subtracts, by ear."""

    model = "pocketsphinx → rules → espeak-ng"

    async def answer(self, clip):
        """Answer a clip."""
        with HEARING:
            decoder = recogniser()
            decoder.start_utt()
            decoder.process_raw(clip.resample(16_000).to_pcm16(), full_utt=True)
            decoder.end_utt()
            heard = decoder.hyp().hypstr if decoder.hyp() else ""
        asked = re.fullmatch(r"what is (\w+) (plus|minus) (\w+)", heard)
        if asked:
            one, other = NUMBERS.index(asked[1]), NUMBERS.index(asked[3])
            text = f"It is {one + other if asked[2] == 'plus' else one - other}."
        else:
            text = "I did not understand that."
        return rt.SystemAnswer(text=text, heard=heard, audio=rt.speak(text, voice="echo"), cost_usd=0.0)


def main():
    """Ask it beside the local voice."""
    systems = {"calculator": Calculator, "local": functools.partial(rt.RealtimeSession, backend="local")}
    sums = rt.Dataset.from_texts(["What is two plus three?", "What is nine minus four?"], speaker="echo")
    results = rt.run(sums, systems, graders=[rt.experiments.Keywords("5")], progress=False)
    print(results.table("grade_keywords", "wer", "latency_first_audible_ms").to_string())


if __name__ == "__main__":
    main()
