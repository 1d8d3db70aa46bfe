"""What follows from the facts: lines, each with what to do. Nothing here looks at anything itself."""

from __future__ import annotations

from collections.abc import Iterator

from . import rules_kernel, rules_page, rules_voice
from .checkup import Check, Checkup
from .probes import Facts

_TERMINAL = "page, microphone and speaker (no browser here; run realtime_nb.doctor() in a notebook cell)"
_NO_PAGE = (
    "page, microphone and speaker (the page has not answered; if no buttons show above, install realtime-nb, "
    "ipywidgets and anywidget where Jupyter itself runs, too, and reload the page)"
)
_NO_PAGE_IN_COLAB = (
    "page, microphone and speaker (the page has not answered; if no buttons show above, run  from google.colab import "
    "output; output.enable_custom_widget_manager()  and this cell again)"
)
_CLICK = "{} (click the button above)"


def diagnose(facts: Facts) -> Checkup:
    """Return the lines that the facts known so far allow.

    Broken things do not hide others: each line stands for itself.
    """
    lines = [*rules_kernel.checks(facts), *rules_page.checks(facts), *rules_voice.checks(facts)]
    lines += [Check("doctor", "warning", problem, "please report this, with these lines") for problem in facts.problems]
    return Checkup(tuple(lines), tuple(_unchecked(facts)))


def _unchecked(facts: Facts) -> Iterator[str]:
    if facts.page is None:
        is_colab = facts.machine is not None and facts.machine.place == "colab"
        in_kernel = facts.machine is None or facts.machine.kernel is not None
        yield _NO_PAGE_IN_COLAB if is_colab else _NO_PAGE if in_kernel else _TERMINAL
        return
    if facts.page.secure and facts.page.allowed:
        if facts.heard is None:
            yield _CLICK.format("microphone")
        if facts.played is None or (facts.played.heard is None and not facts.played.error):
            yield _CLICK.format("speaker")
