"""Simulations of the OpenAI cookbook's realtime evals, as scenarios.

Format: OpenAI cookbook, ``examples/evals/realtime_evals/run_harness``: an index in CSV, and a JSON file for each.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..texts import read_text
from .datasets import SPEAKERS, Speaker
from .scenarios import Scenario
from .simulated_user import SimulatedUser
from .tables import read_table


def read_simulations(path: Path, speaker: Speaker | None, options: Mapping[str, Any]) -> Iterator[Scenario]:
    """Yield the scenarios of a file; `options` are the simulated users'. See `Dataset.from_simulations`."""
    if path.suffix.lower() == ".json":
        yield _scenario(path, speaker, options, 0)
        return
    for line, row in read_table(path, ("simulation_path",)):
        file, most = row["simulation_path"], row.get("max_turns_override") or "0"
        if (row.get("enabled") or "true").lower() not in ("true", "1", "yes"):
            continue
        if not file or not most.isdecimal():
            raise SettingsError(
                f"{str(path)!r}, line {line}: simulation_path={file!r} and max_turns_override={most!r} must be the "
                "name of a file and a number of turns, 0 for its own"
            )
        yield _scenario(path.parent / file, speaker, options, int(most))


def _scenario(path: Path, speaker: Speaker | None, options: Mapping[str, Any], max_turns: int) -> Scenario:
    try:
        told = json.loads(read_text(path))
        simulator, turns, call = told["simulator"], told.get("turns") or {}, told.get("expected_tool_call") or {}
        user = SimulatedUser(
            goal=told.get("scenario") or path.stem,
            instructions=simulator["system_prompt"],
            opening=turns.get("fixed_first_user_turn") or "",
            **options,
        )
        voice = simulator.get("voice")
        graders = told.get("graders") or {}
        criteria = [each["criteria"] for each in graders.get("trace_level") or () if each.get("criteria")]
        return Scenario(
            example_id=str(told.get("simulation_id") or path.stem),
            user=user,
            max_turns=max_turns or int(turns.get("max_turns") or Scenario.max_turns),
            speaker=speaker or (voice if voice in SPEAKERS else "echo"),
            tool_call=call.get("name") if call else None,
            tool_arguments=call.get("arguments") or {},
            fields={"rubric": " ".join(criteria), "tool_mocks": json.dumps(told.get("tool_mocks") or [])},
        )
    except SettingsError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise SettingsError(f"{str(path)!r} is no simulation: {problem}") from None
