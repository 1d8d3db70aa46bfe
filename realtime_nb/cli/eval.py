"""``realtime-nb eval``: run systems on a dataset from a terminal, like `realtime_nb.run`."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..display import say
from ..errors import AudioError, MissingExtra, MissingKey, RealtimeError, RecordingError, SettingsError
from ..texts import read_text

if TYPE_CHECKING:
    from ..experiments import Condition, Dataset, Results
    from ..sessions.session import Session

_KINDS = ("realtime", "chat", "cascade")
#: Narrowest width of a column's heading.
_NARROWEST = 14
_DESCRIPTION = """\
Ask each system each question of a dataset, under each condition; print a table, and keep everything in a folder:
results.csv, summary.json, report.html, recordings. An estimate of the cost is printed before anything is spent."""
_EPILOG = """\
exit codes: 0 all questions are answered; 1 some failed (--retry-failed asks them again) or were not asked (--resume
asks them), or the report cannot be written; 2 the arguments cannot be used, and nothing was asked; 130 interrupted, the
answers so far are kept.

conditions: clean, telephone, telephone-alaw, noise:SNR_DB, pink:SNR_DB, babble:SNR_DB, reverberation:T60_S,
level:DBFS, speed:FACTOR; combine them with +, as in noise:10+telephone.

The answers' voices are AI-generated."""


def add_command(commands: Any) -> None:
    """Add the command to a parser's commands."""
    parser = commands.add_parser(
        "eval",
        help="ask one or more systems a dataset's questions, and grade and price the answers",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "data",
        metavar="DATA.csv",
        type=Path,
        help="rows with example_id and user_text or audio_path (the OpenAI cookbook's columns); or a folder of audio",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="the folder of the run")
    parser.add_argument(
        "--systems",
        default="realtime",
        metavar="LIST",
        help="realtime, chat or cascade, separated by commas; with a model as in realtime:gpt-realtime-2.1-mini "
        "(default: realtime)",
    )
    parser.add_argument("--conditions", default="clean", metavar="LIST", help="see below (default: clean)")
    parser.add_argument(
        "--repeats", type=int, default=1, metavar="N", help="how often to ask each question (default: 1)"
    )
    parser.add_argument("--max-usd", type=float, metavar="USD", help="the most dollars to spend")
    parser.add_argument("--resume", action="store_true", help="continue the run in DIR")
    parser.add_argument("--retry-failed", action="store_true", help="like --resume, and ask failed questions again")
    parser.add_argument("--concurrency", type=int, default=8, metavar="N", help="questions at once (default: 8)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the conditions (default: 0)")
    parser.add_argument(
        "--backend",
        help="openai, azure, local, or the address of a compatible server "
        "(default: openai if OPENAI_API_KEY is set, local otherwise)",
    )
    parser.add_argument("--instructions", metavar="TEXT|@FILE", help="instructions for the systems")
    parser.add_argument("--tools", type=Path, metavar="FILE.json", help="a list of tools in the API's shape")
    parser.add_argument(
        "--live", action="store_true", help="send questions at the speed of speech, as an open microphone would"
    )
    parser.add_argument("--dry-run", action="store_true", help="print only the estimate, and ask nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def run(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    try:
        return _evaluate(options)
    except KeyboardInterrupt:
        say(
            f"\nrealtime-nb: interrupted. The answers so far are in {str(options.out)!r}: continue with --resume.",
            file=sys.stderr,
        )
        return 130
    except MissingKey as error:
        say(
            f"realtime-nb: the {error.backend} backend needs an API key: set {error.variable}, or use --backend local",
            file=sys.stderr,
        )
        return 2
    except (AudioError, SettingsError, RecordingError, MissingExtra, OSError) as error:
        say(f"realtime-nb: {error}", file=sys.stderr)
        return 2
    except RealtimeError as error:
        say(f"realtime-nb: {error}", file=sys.stderr)
        return 1


def _evaluate(options: argparse.Namespace) -> int:
    from ..experiments import forecast
    from ..experiments import run as run_experiment

    data = _dataset(options.data)
    systems = _systems(options)
    conditions = {text: parse_conditions(text) for text in _listed(options.conditions, "--conditions")}
    _check_folder(options)
    if not options.tools and any(example.tool_call for example in data):
        say("note: the dataset expects tool calls, but there are no tools: see --tools", file=sys.stderr)
    expected = forecast(data, systems, conditions=len(conditions), repeats=max(1, options.repeats))
    shows_bar = sys.stderr.isatty() and not (options.json or options.dry_run)
    if not shows_bar:  # The progress bar says so, too.
        say(f"{options.data}: {expected}", file=sys.stderr)
    if options.dry_run:
        if options.json:
            say(json.dumps({"answers": expected.cells, "estimate_usd": expected.total_usd}))
        return 0
    results = run_experiment(
        data,
        systems,
        conditions=conditions,
        repeats=options.repeats,
        concurrency=options.concurrency,
        seed=options.seed,
        out=options.out,
        resume="failed" if options.retry_failed else options.resume,
        max_usd=options.max_usd,
        live=options.live,
        progress=shows_bar,
    )
    report = _report(results)
    say(json.dumps(_facts(results, report), ensure_ascii=False) if options.json else _words(results, report))
    return 1 if results.failed or results.missing or report is None else 0


def _report(results: Results) -> Path | None:
    """Write the report; if that is not possible, say so: the answers are paid for, and are told in any case."""
    try:
        return results.report()
    except SettingsError as error:
        say(f"realtime-nb: the report: {error}", file=sys.stderr)
        return None


def _dataset(path: Path) -> Dataset:
    from ..experiments import Dataset

    return Dataset.from_folder(path) if path.is_dir() else Dataset.from_csv(path)


def _check_folder(options: argparse.Namespace) -> None:
    """Say in terms of the command line what `run` would say in terms of Python."""
    is_run = any((options.out / name).is_file() for name in ("run.json", "rows.jsonl"))
    resumes = options.resume or options.retry_failed
    if is_run and not resumes and not options.dry_run:
        raise SettingsError(f"{str(options.out)!r} holds a run: continue it with --resume, or choose another --out")
    if resumes and not is_run:
        say(f"note: {str(options.out)!r} does not hold a run to continue: a new one begins", file=sys.stderr)


def _listed(text: str, option: str) -> list[str]:
    found = [each.strip() for each in text.split(",") if each.strip()]
    if not found:
        raise SettingsError(f"{option} is empty: name at least one")
    if len({*found}) < len(found):
        raise SettingsError(f"{option}={text} names one twice: name each only once")
    return found


def _systems(options: argparse.Namespace) -> dict[str, Callable[[], Session]]:
    from ..sessions.backend import Backend

    backend = Backend.find(options.backend)
    settings: dict[str, Any] = {"backend": backend}
    if options.instructions:
        settings["instructions"] = _text(options.instructions)
    if options.tools:
        settings["tools"] = _tools(options.tools)
    systems = {name: _factory(name, settings) for name in _listed(options.systems, "--systems")}
    for factory in systems.values():
        factory()  # A setting that cannot be used is reported here, once, and not in every row.
    return systems


def _factory(name: str, settings: Mapping[str, Any]) -> Callable[[], Session]:
    from ..sessions.cascade import CascadeSession
    from ..sessions.chat import ChatSession
    from ..sessions.realtime import RealtimeSession

    kind, _, model = name.partition(":")
    if kind not in _KINDS:
        raise SettingsError(
            f"--systems: {name!r} is not a system: name {', '.join(_KINDS)}, or one with a model, as in chat:MODEL"
        )
    maker: dict[str, Callable[..., Session]] = {
        "realtime": RealtimeSession,
        "chat": ChatSession,
        "cascade": CascadeSession,
    }
    if not model:
        return partial(maker[kind], **settings)
    return partial(maker[kind], **settings, **{"text_model" if kind == "cascade" else "model": model})


def _text(given: str) -> str:
    return read_text(Path(given[1:])).strip() if given.startswith("@") else given


def _tools(path: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads(read_text(path))
    except ValueError as error:
        raise SettingsError(f"--tools={path} cannot be read as JSON: {error}") from None
    if not isinstance(found, list) or not all(isinstance(each, dict) and each.get("name") for each in found):
        raise SettingsError(f'--tools={path} must hold a list of tools: [{{"type": "function", "name": …}}, …]')
    return found


def parse_conditions(text: str) -> tuple[Condition, ...]:
    """Return the conditions in a text, e.g. ``"noise:10+telephone"``.

    Raises `SettingsError` if one is not known, or its number is missing or impossible.
    """
    return tuple(_condition(each.strip(), text) for each in text.split("+") if each.strip() != "clean")


def _condition(text: str, whole: str) -> Condition:
    from ..experiments import Babble, Level, Noise, Reverberation, Speed, Telephone

    plain: dict[str, Callable[[], Condition]] = {"telephone": Telephone, "telephone-alaw": partial(Telephone, "alaw")}
    numbered: dict[str, Callable[[float], Condition]] = {
        "noise": Noise,
        "pink": partial(Noise, color="pink"),
        "babble": Babble,
        "reverberation": Reverberation,
        "level": Level,
        "speed": Speed,
    }
    name, colon, number = text.partition(":")
    if name in plain and not colon:
        return plain[name]()
    if name not in numbered:
        known = ", ".join(["clean", *plain, *(f"{each}:NUMBER" for each in numbered)])
        raise SettingsError(f"--conditions: {text or whole!r} is not a condition: name {known}")
    try:
        return numbered[name](float(number))
    except ValueError as error:
        why = str(error) if isinstance(error, SettingsError) else f"{number!r} is not a number: write {name}:10"
        raise SettingsError(f"--conditions: {text!r}: {why}") from None


def _lines(headings: list[str], rows: list[list[str]]) -> list[str]:
    """Format a table for a terminal, with headings over several lines."""
    columns = list(zip(*rows, strict=True))
    wrapped = [
        textwrap.wrap(heading, max(_NARROWEST, *map(len, column)))
        for heading, column in zip(headings, columns, strict=True)
    ]
    height = max(map(len, wrapped))
    heads = list(zip(*([""] * (height - len(each)) + each for each in wrapped), strict=True))
    widths = [max(map(len, column)) for column in zip(*heads, *rows, strict=True)]
    rule = tuple("-" * width for width in widths)
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (*heads, rule, *rows)
    ]


def _facts(results: Results, report: Path | None) -> dict[str, Any]:
    from ..experiments.folder import summary_of

    return summary_of(results.rows) | {
        "stopped": results.stopped,
        "missing": results.missing,
        "cost_usd": results.cost_usd,
        "out": str(results.path),
        "report": str(report) if report else None,
        "remarks": results.remarks,
        "ai_generated": True,
    }


def _words(results: Results, report: Path | None) -> str:
    """Return the table, followed by notes."""
    from ..experiments.statistics import tabulate
    from ..pricing.cost import format_usd
    from ..views import words

    told = []
    if results.rows:
        told += [*_lines(*tabulate(results.rows, results.about, ("system", "condition"))), ""]
    for row in results.failed[:5]:
        told.append(f"failed  {row['cell_id']} ({row['failure_stage']}): {row['error_message']}")
    if len(results.failed) > 5:
        told.append(f"failed  {len(results.failed) - 5} more: see results.csv")
    if results.failed:
        told.append("        --retry-failed asks them again")
    if results.missing:
        why = f" ({results.stopped})" if results.stopped else ""
        told.append(f"missing {results.missing} answers{why}: continue with --resume")
    told += [f"remark  {remark}" for remark in results.remarks]
    told.append(f"cost    {format_usd(results.cost_usd)}")
    if report:
        told.append(f"report  {report} ({words.DISCLOSURE}s)")
    return "\n".join(line.rstrip() for line in told)
