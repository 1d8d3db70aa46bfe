"""Datasets as CSV files, in the columns of the OpenAI cookbook's realtime evals."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..paths import missing
from .datasets import SPEAKERS, Example, Speaker

_KNOWN = frozenset("example_id user_text audio_path speaker gt_tool_call gt_tool_call_arg tags language".split())


def read_csv(path: Path, speaker: Speaker) -> Iterator[Example]:
    """Yield the examples of a file; see `Dataset.from_csv`."""
    try:
        # With the mark that spreadsheets put in front.
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        if not path.is_file():
            raise SettingsError(missing(path)) from None
        problem = f"{str(path)!r} cannot be read as a CSV file in UTF-8 ({error})"
        raise SettingsError(f"{problem}: save it as CSV with UTF-8 in the program that made it") from None
    rows = csv.DictReader(text.splitlines(keepends=True), strict=True)
    columns = rows.fieldnames or []
    for either in (("example_id",), ("user_text", "audio_path")):
        if not {*either} & {*columns}:
            absent, known = " or ".join(either), ", ".join(columns) or "none"
            raise _error(path, 1, f"there is no column {absent} among {known}: add it, or rename what is meant")
    lines: dict[str, int] = {}
    try:
        for row in rows:
            line = rows.line_num - sum(str(value).count("\n") for value in row.values())
            example = _example(row, path, speaker, line)
            before = lines.setdefault(example.example_id, line)
            if before != line:
                raise _error(path, line, f"example_id={example.example_id!r} is that of line {before}, too")
            yield example
    except csv.Error as error:
        raise _error(path, rows.line_num + 1, str(error)) from None


def _error(path: Path, line: int, problem: str) -> SettingsError:
    return SettingsError(f"{str(path)!r}, line {line}: {problem}")


def _example(row: dict[Any, Any], path: Path, speaker: Speaker, line: int) -> Example:
    if None in row:
        raise _error(path, line, f"more values than columns: {row[None]}")
    values = {str(name): (value or "").strip() for name, value in row.items()}
    if not values["example_id"]:
        raise _error(path, line, "example_id is empty")
    text, file = values.get("user_text", ""), values.get("audio_path", "")
    source = path.parent / file if file else None
    if source is not None and not source.is_file():
        raise _error(path, line, f"audio_path={file!r} is not a file in {str(path.parent)!r}")
    if not text and source is None:
        raise _error(path, line, "there is nothing to say: user_text is empty, and there is no audio_path")
    named = values.get("speaker", "")
    if named and named not in SPEAKERS:
        raise _error(path, line, f"speaker={named!r} is not one of {', '.join(SPEAKERS)}")
    return Example(
        example_id=values["example_id"],
        text=text,
        source=source,
        speaker=named or speaker,
        tool_call=values.get("gt_tool_call"),
        tool_arguments=_arguments(values.get("gt_tool_call_arg", ""), path, line),
        tags=tuple(tag.strip() for tag in values.get("tags", "").split(";") if tag.strip()),
        language=values.get("language") or "en",
        fields={name: value for name, value in values.items() if name not in _KNOWN},
    )


def _arguments(text: str, path: Path, line: int) -> dict[str, Any]:
    try:
        arguments = json.loads(text or "{}")
    except ValueError as error:
        raise _error(path, line, f"gt_tool_call_arg={text!r} is not JSON: {error}") from None
    if not isinstance(arguments, dict):
        raise _error(path, line, f"gt_tool_call_arg={text!r} is not a JSON object")
    return arguments
