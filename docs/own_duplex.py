"""A full-duplex system of your own in scenarios: it hears while it speaks, and says itself where its answers sound.

    python docs/own_duplex.py

The script takes the place of a model such as Moshi, which would run over the turns frame by frame. It gets all turns so
far, each with its place on the track that both sides share, and no time passes: a run takes as long as the model does.
"""

import realtime_nb as rt
from realtime_nb.experiments import UserTurn


class Scripted:
    """Answers 200 ms after each turn, and stops 400 ms into one that is longer than a "mhm"."""

    model = "scripted duplex"
    duplex = True

    async def answer(self, turns):
        """Answer the last of the turns."""
        said = turns[-1]
        if said.clip.duration_s < 1.2:  # A backchannel: it goes on, and says nothing to it.
            return rt.SystemAnswer(cost_usd=0.0)
        text = "One, two, three, four, five, six, seven, eight, nine, ten."
        return rt.SystemAnswer(
            text=text,
            audio=rt.speak(text, voice="echo"),
            first_audio_ms=200,
            stops_ms=said.start_ms + 400,
            cost_usd=0.0,
        )


SCENARIOS = {
    "interrupted": ["Please count to ten.", UserTurn("Stop. What time is it?", at_ms=1_500)],
    "listening": ["Please count to ten.", UserTurn("Mhm.", at_ms=1_500, backchannel=True)],
}


def main():
    """Have both conversations, and show when it stopped."""
    dataset = rt.Dataset.from_scenarios(SCENARIOS, speaker="echo")
    results = rt.run(dataset, {"scripted": Scripted}, progress=False)
    measures = ["turn_gap_ms", "interruption_stop_ms", "yield_rate", "false_barge_in_rate"]
    print(results.frame.set_index("example_id")[measures].to_string())


if __name__ == "__main__":
    main()
