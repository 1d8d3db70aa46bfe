"""Runs in other forms: conversations as Markdown, a table for print, and the layout of the OpenAI cookbook's evals."""

from __future__ import annotations

import csv
import functools
import io
import itertools
import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..conversation.conversation import Conversation
from ..errors import SettingsError
from ..files import make_folder, write_private
from ..recording.files import encode, to_tree
from ..recording.recording import Recording
from ..views.export import export, plain_markdown
from .example import defused
from .metrics import answer_of
from .regrading import example_of

if TYPE_CHECKING:
    import pandas

Row = dict[str, Any]

# --- A conversation as Markdown ---------------------------------------------------------------------------------------

#: The columns that head a conversation.
_HEADING = ("system", "model", "condition", "repeat")


def as_markdown(conversation: Conversation, row: Mapping[str, Any]) -> str:
    """Return a conversation to read: of which answer it is, who said what, which tools were called, what failed."""
    parts = [f"# {plain_markdown(str(row.get('example_id', '')))}"]
    parts.append(" · ".join(f"{name} {plain_markdown(str(row[name]))}" for name in _HEADING if row.get(name)))
    if row.get("user_text"):
        parts.append(f"Meant: {plain_markdown(str(row['user_text']))}")
    parts.append(export(conversation, "markdown").rstrip())
    if row.get("status") == "failed":
        parts.append(plain_markdown(f"Failed ({row['failure_stage']}): {row['error_message']}"))
    return "\n\n".join(parts) + "\n"


# --- A table for print, whose LaTeX compiles, whatever is in its names ------------------------------------------------


def _greek(letter: str) -> str:
    name = unicodedata.name(letter).rpartition(" ")[2].replace("LAMDA", "LAMBDA")
    return f"\\{name.capitalize() if letter.isupper() else name.lower()}"


#: What pdfLaTeX knows in mathematics only.
_SIGNS = {
    **{"→": r"\rightarrow", "−": "-", "×": r"\times", "≤": r"\leq", "≥": r"\geq", "±": r"\pm"},
    **{"≈": r"\approx", "≠": r"\neq", "∞": r"\infty"},
    **{letter: _greek(letter) for letter in "ΓΔΘΛΞΠΣΦΨΩαβγδεζηθικλμνξπρστυφχψω"},
}
#: What it knows in any font: letters with these accents, and these signs. Tried in its default encoding, OT1.
_ACCENTS = frozenset("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327")
_KNOWN = frozenset("\u00a0¡¢£¥§©ª®°±²³µ¶·¹º¼½¾¿ÆØßæøıŁłŒœ–—‘’‚“”„†‡•…€™")


def print_table(lines: Sequence[Sequence[str]], headings: Sequence[str], named: int) -> pandas.DataFrame:
    """Return a data frame of texts, indexed by its first columns."""
    return _kind()(lines, columns=headings).set_index(list(headings[:named]))


def _typeset(text: str) -> str:
    """Return text that pdfLaTeX can set; letters that only XeLaTeX and LuaLaTeX know are code points there."""

    def is_known(letter: str) -> bool:
        apart = unicodedata.normalize("NFD", letter)
        is_accented = len(apart) == 2 and apart[0].isascii() and apart[1] in _ACCENTS and letter < "\u0180"
        return letter.isascii() or is_accented or letter in _KNOWN or letter in _SIGNS

    parts = []
    for known, letters in itertools.groupby(unicodedata.normalize("NFC", text), is_known):
        piece = "".join(letters)
        if known:
            parts.append("".join(f"${_SIGNS[each]}$" if each in _SIGNS else each for each in piece))
        else:
            codes = " ".join(f"U+{ord(each):04X}" for each in piece)
            parts.append(rf"\ifdefined\Umathchar {piece}\else {codes}\fi{{}}")
    return "".join(parts)


@functools.cache
def _kind() -> Any:
    import pandas

    class PrintTable(pandas.DataFrame):  # type: ignore[misc]
        """A data frame of texts."""

        @property
        def _constructor(self) -> Any:
            return PrintTable

        def to_latex(self, buf: Any = None, *, index: bool = True, escape: bool = True, **options: Any) -> Any:
            r"""Write it as LaTeX, with all special characters escaped; see `pandas.DataFrame.to_latex`.

            The document needs ``\usepackage{booktabs}``. Letters that pdfLaTeX does not know, such as Chinese ones, are
            set by XeLaTeX and LuaLaTeX, in a font that has them; pdfLaTeX sets their code points.
            """
            # As columns, because pandas does not escape the names of an index in all its versions.
            plain = pandas.DataFrame(self).reset_index() if index else pandas.DataFrame(self)
            text: str = plain.to_latex(index=False, escape=escape, **options)
            text = _typeset(text) if escape else text
            if buf is None:
                return text
            if hasattr(buf, "write"):
                buf.write(text)
            else:
                Path(buf).write_text(text, encoding="utf-8")
            return None

    return PrintTable


# --- The cookbook's layout --------------------------------------------------------------------------------------------
#
# Source: OpenAI cookbook, ``examples/evals/realtime_evals``: ``crawl_harness/run_realtime_evals.py`` writes it,
# ``shared/result_types.py`` reads it, ``shared/scripts/validate_eval_output.py --harness crawl`` checks it.

_COLUMNS = (
    *("example_id", "user_text", "assistant_text", "gt_tool_call", "pred_tool_call", "tool_call_correctness"),
    *("gt_tool_call_arg", "pred_tool_call_arg", "tool_call_arg_correctness", "grade", "tool_calls", "status"),
    *("failure_stage", "error_type", "error_message", "event_log_path", "input_audio_path", "output_audio_path"),
    *("latency_first_audio_ms", "latency_first_text_ms", "latency_response_done_ms"),
    *("output_tokens", "output_audio_tokens", "output_text_tokens"),
)
_SUMMED = (
    *("latency_first_audio_ms", "latency_first_text_ms", "latency_response_done_ms"),
    *("output_tokens", "output_audio_tokens", "output_text_tokens"),
)


def write_cookbook(
    path: Path, rows: Sequence[Row], about: Mapping[str, Any], recording_of: Callable[[str], Path]
) -> None:
    """Write a run of the cookbook's crawl harness for each system, condition and repeat; see `Results.to_cookbook`."""
    runs: dict[tuple[str, str, int], list[Row]] = {}
    for row in rows:
        runs.setdefault((row["system"], row["condition"], row["repeat"]), []).append(row)
    if path.exists() and any(path.iterdir()):
        raise SettingsError(f"path={str(path)!r} holds other files: choose a new folder")
    for (system, condition, repeat), of_run in runs.items():
        name = re.sub(r"[^\w.+-]+", "-", f"{system}__{condition}__{repeat}")
        folder = path if len(runs) == 1 else path / name
        _write_run(folder, name, of_run, about, recording_of)


def _write_run(
    folder: Path, name: str, rows: Sequence[Row], about: Mapping[str, Any], recording_of: Callable[[str], Path]
) -> None:
    written: list[Row] = []
    settings: Mapping[str, Any] = {}
    for row in rows:
        recorded = recording_of(row["cell_id"])
        recording = Recording.load(recorded) if recorded.is_dir() else None
        settings = (recording.manifest.get("settings") if recording is not None else None) or settings
        written.append(_cookbook_row(folder, row, recording))
    for each in ("audio", "events"):
        make_folder(folder / each)
    table = io.StringIO()
    writer = csv.DictWriter(table, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({column: defused(row.get(column, "")) for column in _COLUMNS} for row in written)
    write_private(folder / "results.csv", table.getvalue().encode())
    summary = _summary(written) | _config(name, rows, about, settings)
    write_private(folder / "summary.json", json.dumps(summary, indent=2, ensure_ascii=False).encode())


def _cookbook_row(folder: Path, row: Row, recording: Recording | None) -> Row:
    example_id = re.sub(r"[^\w.+-]+", "-", str(row["example_id"]))
    audio, events = folder / "audio" / example_id, folder / "events" / f"{example_id}.jsonl"
    make_folder(audio)
    make_folder(events.parent)
    found = {
        "input_audio_path": str(audio / "input.wav"),
        "output_audio_path": "",
        "event_log_path": str(events),
        "tool_calls": row.get("tool_calls") or "[]",
        "status": "ok" if row["status"] == "completed" else "failed",
    }
    lines: list[bytes] = []
    if recording is not None:
        answer = answer_of(recording.conversation, example_of(row, None))
        asked = [turn.audio for turn in recording.conversation if turn.role == "user" and turn.audio is not None]
        said = asked[0] if len(asked) == 1 else recording.user
        if said is not None:
            said.save(audio / "input.wav")
        if answer.audio is not None:
            found["output_audio_path"] = str(answer.audio.save(audio / "output.wav"))
        lines = [encode(to_tree(entry.event)) for entry in recording if entry.direction == "received"]
    write_private(events, b"".join(line + b"\n" for line in lines))
    grades = {name: int(row.get(name) or 0) for name in ("tool_call_correctness", "tool_call_arg_correctness")}
    grade = int(all(grades.values()))
    texts = {name: "" if row.get(name) is None else row.get(name, "") for name in _COLUMNS}
    return texts | grades | {"grade": grade} | found


def _summary(rows: Sequence[Row]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "total_examples": len(rows),
        "failed_examples": sum(row["status"] == "failed" for row in rows),
        "grade_mean": float(np.mean([row["grade"] for row in rows])),
    }
    for name in ("tool_call_correctness", "tool_call_arg_correctness"):
        found[f"{name}_mean"] = float(np.mean([row[name] for row in rows]))
    for name in _SUMMED:
        values = [float(row[name]) for row in rows if row[name] not in ("", None)]
        if values:
            p50, p95, p99 = map(float, np.percentile(values, (50, 95, 99)))
            found |= {f"{name}_avg": float(np.mean(values))}
            found |= {f"{name}_p50": p50, f"{name}_p95": p95, f"{name}_p99": p99}
    return found


def _config(name: str, rows: Sequence[Row], about: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that the cookbook's viewer wants, as far as there is such a thing here."""
    output = (settings.get("audio") or {}).get("output") or {}
    live = bool(((about.get("made") or {}).get("options") or {}).get("live", False))
    return {
        "run_name": name,
        "model": str(next((row["model"] for row in rows if row.get("model")), "unknown")),
        "tts_model": "realtime_nb",
        "voice": str(output.get("voice") or "none"),
        "chunk_ms": 20,
        "sample_rate_hz": 24_000,
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "real_time": live,
        "data_csv": str(about.get("dataset", "")) or "dataset",
        "system_prompt_file": "run.json",
        "tools_file": "run.json",
    }
