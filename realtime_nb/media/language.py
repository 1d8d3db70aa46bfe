"""The names of languages.

It stands alone, because the local voice and the measures of speech both read them, and neither imports the other.
"""

from __future__ import annotations

import re


def language_code(name: str) -> str:
    """Return a language without its region, as recognisers know it: ``en`` for ``en-US``, ``eng`` or ``English``."""
    code = re.split(r"[-_\s]", name.strip().lower())[0]
    return "en" if code in ("eng", "english") else code


def is_english(name: str) -> bool:
    """Return whether a language is English, of any region."""
    return language_code(name) == "en"
