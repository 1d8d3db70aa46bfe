"""What does not follow from results, said of these results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from .provenance import Made

if TYPE_CHECKING:
    from .results import Results

#: Below this, percentile intervals are clearly too narrow: their narrowness bias, in Hesterberg 2015, "What Teachers
#: Should Know About the Bootstrap".
_FEW = 30


def caveats(results: Results, made: Mapping[str, Made]) -> Iterator[str]:
    """Yield sentences, the gravest first."""
    local = [system for system, each in made.items() if each.backend.startswith("local")]
    if local:
        yield (
            f"{', '.join(local)}: answered by the local voice, which is rules, a small recogniser and a synthesiser on "
            "one machine, not a language model. Its latencies are those of this machine and its load, its prices are "
            "zero, its words are not chosen by what was meant. Nothing follows about OpenAI's models or anybody else's."
        )
    if results.missing:
        yield "The run is not complete. What was asked first is not a random sample of what would have been asked."
    failed = len(results.failed)
    if failed:
        yield (
            f"{failed} answers failed and are in no mean but those of what was answered and of the cost: a system that "
            "fails on hard examples looks better by it. Compare on the pairs."
        )
    unsure = sum(bool(row.get("cost_remarks")) for row in results.rows)
    if unsure:
        yield (
            f"Of {unsure} answers a server did not say all that they took: their cost is the least, an estimate or not "
            "known, as cost_remarks says. Do not compare costs before you have read that."
        )
    examples = len({row["example_id"] for row in results.rows})
    if examples < _FEW:
        yield (
            f"{examples} examples are few. With fewer than {_FEW}, bootstrap intervals are too narrow, and only large "
            "differences are seen."
        )
    yield (
        f"The intervals hold for examples like these {examples}. They say nothing of other languages, speakers, topics "
        "or microphones, and nothing of the servers on another day or from another network."
    )
    yield (
        "Nothing is corrected for the number of comparisons: of twenty intervals for things that do not differ, one is "
        "expected to exclude 0. An interval that holds 0 does not show that two systems are alike."
    )
    yield (
        "Clips are sent, not talked: where one is sent faster than it sounds, latencies are not those of a live "
        "microphone. Conditions imitate noise, rooms and telephones; they do not replace them."
    )
    yield (
        "Word errors are those of what a system wrote down beside its answer. A speech-to-speech model does not read "
        "that; and a system that writes nothing down has none."
    )
