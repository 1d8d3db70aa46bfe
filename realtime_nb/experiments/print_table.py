"""A table for print whose LaTeX compiles, whatever is in its names."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

#: What pdfLaTeX does not know by itself, and the results may hold.
_SIGNS = {"→": r"$\rightarrow$", "−": "$-$", "×": r"$\times$", "≤": r"$\leq$", "≥": r"$\geq$", "±": r"$\pm$"}


def print_table(lines: Sequence[Sequence[str]], headings: Sequence[str], named: int) -> pandas.DataFrame:
    """Return a data frame of texts, indexed by its first columns."""
    return _kind()(lines, columns=headings).set_index(list(headings[:named]))


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

            The document needs ``\usepackage{booktabs}``.
            """
            # As columns, because pandas does not escape the names of an index in all its versions.
            plain = pandas.DataFrame(self).reset_index() if index else pandas.DataFrame(self)
            text: str = plain.to_latex(index=False, escape=escape, **options)
            for sign, told in _SIGNS.items() if escape else ():
                text = text.replace(sign, told)
            if buf is None:
                return text
            if hasattr(buf, "write"):
                buf.write(text)
            else:
                Path(buf).write_text(text, encoding="utf-8")
            return None

    return PrintTable
