"""Which brain a server or a session gets, by name."""

from __future__ import annotations

from ...errors import SettingsError
from ...secrecy import bare_address, hide
from .brain import Brain
from .openai_brain import OpenAICompatibleBrain
from .rule_brain import RuleBrain
from .script_brain import ScriptBrain


def find_brain(spec: str = "rules", *, model: str | None = None, api_key: str | None = None) -> Brain:
    """Return the brain that a command line names.

    `spec`: ``"rules"``; ``"script"`` or ``"script:FILE"`` with a sentence a line; or the base URL of a text endpoint
    that speaks OpenAI's Chat Completions.

    Raises `SettingsError` if the name is not known, the script cannot be read, or an endpoint is named without a model.
    """
    if spec == "rules":
        return RuleBrain()
    kind, _, file = spec.partition(":")
    if kind == "script":
        try:
            return ScriptBrain.from_file(file) if file else ScriptBrain()
        except (OSError, ValueError) as error:
            raise SettingsError(f"the script {file!r} cannot be used: {error}") from error
    if kind in ("http", "https"):
        if not model:
            raise SettingsError(f"the text endpoint {bare_address(spec)} needs the name of a model")
        return OpenAICompatibleBrain(spec, model, api_key)
    shown = hide(bare_address(spec))
    raise SettingsError(f"brain={shown!r} is not 'rules', 'script', 'script:FILE' or the address of a text endpoint")
