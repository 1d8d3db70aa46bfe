import contextlib
import os
import pty
import re
import subprocess
import sys

from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

SOON = "import realtime_nb.progress as progress\nprogress.DELAY_S, progress._EVERY_S = 0.05, 0.05\n"
#: Goes on whenever somebody says so.
STEPS = "import sys\nwith progress.Progress('compare', 3, 'answers') as bar:\n    for _ in sys.stdin: bar.add()\n"
WORK = SOON + "with progress.Progress('start the local voice'): sys.stdin.readline()\n"
LOADED = "print('tqdm' in sys.modules)\n"


class Terminal:
    """A program on a real terminal."""

    def __init__(self, code):
        self._ours, theirs = pty.openpty()
        arguments = [sys.executable, "-c", code]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=theirs)
        os.close(theirs)
        self.shown = ""

    def until(self, text):
        """Read until the terminal shows a text."""
        while text not in self.shown:
            self.shown += os.read(self._ours, 65_536).decode()

    def say(self):
        """Let the program go on."""
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def end(self):
        """Let it come to its end; return what it printed."""
        printed, _ = self.process.communicate(timeout=30)
        with contextlib.suppress(OSError):  # Nothing more will come.
            while piece := os.read(self._ours, 65_536):
                self.shown += piece.decode(errors="replace")
        os.close(self._ours)
        return printed.decode()


def test_a_terminal_shows_a_bar_that_fills_and_goes():
    terminal = Terminal(SOON + STEPS)
    for done in range(3):
        terminal.until(f"| {done}/3 answers [")
        terminal.say()
    terminal.until("100%|")
    terminal.end()
    assert re.search(r"\r +\r$", terminal.shown)  # Nothing is left of it.


def test_work_of_unknown_length_shows_the_time():
    terminal = Terminal("import sys\n" + WORK)
    terminal.until("start the local voice [00:00]")
    terminal.end()


def test_quick_work_shows_nothing_and_loads_nothing():
    terminal = Terminal(SOON.replace("0.05, 0.05", "60, 0.05") + STEPS + LOADED)
    terminal.say()
    assert terminal.end() == "False\n"
    assert terminal.shown == ""


def test_without_a_terminal_nothing_is_drawn():
    done = subprocess.run([sys.executable, "-c", SOON + STEPS + LOADED], input=b"\n", capture_output=True, timeout=60)
    assert (done.stdout, done.stderr) == (b"False\n", b"")


def test_a_notebook_shows_the_bars_of_long_work_below_its_cell():
    cells = (
        SOON + "import realtime_nb as rt\nclip = rt.speak('What is two plus three?')",
        "chat, chain = rt.ChatSession(backend='local'), rt.CascadeSession(backend='local')\n"
        "compared = rt.compare([chat, chain], [clip, clip])\nprint(len((await compared).cells))",
        "with rt.RealtimeSession(backend='local') as session: session.listen_to(clip, speed=4).result(60)",
    )
    notebook = NotebookClient(new_notebook(cells=[new_code_cell(cell) for cell in cells]), timeout=90).execute()
    outputs = [output for cell in notebook.cells for output in cell.outputs]
    assert {output.output_type for output in outputs} == {"stream"}  # No widget that nobody can revive.
    compared, heard = ("".join(output.text for output in cell.outputs) for cell in notebook.cells[1:])
    assert "compare: " in compared and "/4 answers" in compared and "4\n" in compared
    assert re.search(r"listen: +\d+%\|", heard) and "compare" not in heard
