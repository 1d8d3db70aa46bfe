"""Python in a browser (Pyodide, JupyterLite) reads saved records, without the packages that it lacks.

Pyodide itself runs here in Node. Its numpy and other packages come from a CDN, so for what needs them it is played: a
fresh interpreter that finds none of the packages that Pyodide lacks, and that can start no thread.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import realtime_nb as rt

LACKING = (
    "librosa numba llvmlite sklearn threadpoolctl websockets ipywidgets anywidget ipywebrtc jiwer openai nest_asyncio "
    "tqdm syllapy pyloudnorm whisper_normalizer docstring_parser starlette uvicorn"
)
#: The packages that it has: https://pyodide.org/en/stable/usage/packages-in-pyodide.html
BROWSER = f"""
import importlib.abc, sys, threading

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {LACKING.split()!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

def start(thread):
    raise RuntimeError("can't start new thread")

sys.meta_path.insert(0, Missing())
threading.Thread.start = start
import realtime_nb as rt
recording, results = sys.argv[1:]
"""
READING = """
talk = rt.Recording.load(recording)
print(*(turn.text for turn in talk.conversation.turns))
for shown in (talk, talk.conversation, talk.conversation.replies[0], talk.conversation.costs(), rt.estimate(5, 5)):
    assert {"text/plain", "text/html"} <= shown._repr_mimebundle_().keys(), shown
rt.timeline(talk.conversation).frame
assert rt.spectrogram(talk.conversation).png[1:4] == b"PNG"
kept = rt.Results.load(results)
print(kept.summary(), kept.table())
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A recording, and the results of an experiment."""
    folder = tmp_path_factory.mktemp("kept")
    with rt.RealtimeSession(backend="local") as session:
        session.ask(rt.speak("What is two plus three?")).result()
        session.save(folder / "talk")
    questions = rt.Dataset.from_texts(["What can you do?"])
    rt.run(questions, {"local": lambda: rt.RealtimeSession(backend="local")}, out=folder / "results")
    return folder / "talk", folder / "results"


def in_a_browser(code, kept):
    command = [sys.executable, "-W", "error", "-c", BROWSER + code, *map(str, kept)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


def test_recordings_results_and_pictures_are_read(kept):
    done = in_a_browser(READING, kept)
    assert done.returncode == 0, done.stderr
    assert "2 plus 3 is 5." in done.stdout


def test_a_session_says_in_one_sentence_why_it_cannot_run_there(kept):
    done = in_a_browser("rt.RealtimeSession(backend='local').ask('Hello')", kept)
    assert done.returncode == 1
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("realtime_nb.errors.RealtimeError: sessions and widgets need a thread, and none can be")
    assert said.endswith("you can read recordings and results, but talk only with a kernel on a computer")


PROJECT = Path(__file__).parents[1]
PYODIDE = PROJECT / ".pyodide"
IN_NODE = f"""
import {{ loadPyodide }} from "{PYODIDE}/node_modules/pyodide/pyodide.mjs";
const python = await loadPyodide();
for (const [name, root] of [["/project", "{PROJECT}"], ["/site", "{PYODIDE}/site"]]) {{
  python.FS.mkdir(name);
  python.FS.mount(python.FS.filesystems.NODEFS, {{ root }}, name);
}}
await python.runPythonAsync(process.argv[1]).catch((error) => {{
  console.error(error.message); // Node would show a megabyte of Pyodide's own text above it.
  process.exit(1);
}});
"""
WITHOUT_NUMPY = """
import sys
sys.path[:0] = ["/project", "/site"]
sys.dont_write_bytecode = True
import realtime_nb as rt
print(rt.estimate(minutes_in=5, minutes_out=5))
try:
    rt.RealtimeSession(backend="local").ask("Hello")
except rt.RealtimeError as error:
    print(error)
import asyncio
await asyncio.sleep(0.01)
print("The page's own loop goes on.")
"""


@pytest.mark.skipif(
    not (PYODIDE / "installed").exists() or shutil.which("node") is None,
    reason="no Pyodide: run tests/ensure_pyodide.sh, which needs npm",
)
def test_pyodide_itself_estimates_and_says_why_it_cannot_talk():
    command = ["node", "--input-type=module", "--eval", IN_NODE, WITHOUT_NUMPY]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "gpt-realtime-2.1" in done.stdout
    assert "you can read recordings and results, but talk only with a kernel on a computer" in done.stdout
    assert done.stdout.endswith("The page's own loop goes on.\n") and "Exception" not in done.stderr
