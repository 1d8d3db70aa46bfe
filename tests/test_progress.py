import contextlib
import os
import pty
import re
import subprocess
import sys

from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

SOON = "import realtime_nb.display as progress\nprogress.DELAY_S, progress._EVERY_S = 0.05, 0.05\n"
#: Goes on when told to.
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


class Reader(NotebookClient):
    """Runs a notebook, and also reads outputs that disappear again."""

    def process_message(self, msg, cell, cell_index):
        text = msg["content"].get("data", {}).get("text/plain", "") if "data" in msg["content"] else ""
        self.__dict__.setdefault("read", {}).setdefault(cell_index, []).append(text)
        return super().process_message(msg, cell, cell_index)


def test_a_notebook_shows_the_bars_of_long_work_below_its_cell_and_keeps_nothing_of_them():
    cells = (
        SOON + "import realtime_nb as rt\nclip = rt.speak('What is two plus three?')",
        "chat, chain = rt.ChatSession(backend='local'), rt.CascadeSession(backend='local')\n"
        "compared = rt.compare([chat, chain], [clip, clip])\nprint(len((await compared).cells))",
        "with rt.RealtimeSession(backend='local') as session:\n    _ = session.listen_to(clip, speed=4).result(60)",
    )
    client = Reader(new_notebook(cells=[new_code_cell(cell) for cell in cells]), timeout=90)
    notebook = client.execute()
    compared, heard = ("\n".join(client.read[index]) for index in (1, 2))
    assert re.search(r"^compare: +\d+%\|.*/4 answers", compared, re.MULTILINE)
    assert re.search(r"^listen: +\d+%\|", heard, re.MULTILINE) and "compare" not in heard
    kept = [output for cell in notebook.cells for output in cell.outputs]
    assert "".join(output.text for output in kept if output.output_type == "stream") == "4\n"
    assert {output.data["text/plain"] for output in kept if output.output_type == "display_data"} == {""}
