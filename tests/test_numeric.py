"""numpy and what stands on it load late: after a session and its panel are there, and before their first sound."""

import subprocess
import sys

#: Notes on which thread each library was loaded.
NOTING = """
import importlib.abc, sys, threading

class Noting(importlib.abc.MetaPathFinder):
    loaded = {}
    def find_spec(self, name, path, target=None):
        if name in ("numpy", "soundfile", "soxr"):
            self.loaded.setdefault(name, threading.current_thread().name)

sys.meta_path.insert(0, Noting())
import realtime_nb as rt
"""
MADE = """
session = rt.RealtimeSession(backend="openai", api_key="sk-test")
session.record_to(sys.argv[1])
rt.VoicePanel(session, camera=rt.Camera()), rt.Microphone(), rt.Speaker()
assert Noting.loaded == {}, Noting.loaded
"""
ASKED = """
with getattr(rt, sys.argv[1])(backend="local") as session:
    reply = session.ask("Hello!").result(60)
assert reply.audio.duration_s > 0.2
assert len(Noting.loaded) == 3 and "realtime_nb-io" not in Noting.loaded.values(), Noting.loaded
"""


def run(code, *arguments):
    command = [sys.executable, "-W", "error", "-c", NOTING + code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr


def test_sessions_and_widgets_are_there_without_numpy(tmp_path):
    run(MADE, tmp_path / "recording")


def test_the_first_answer_holds_up_no_socket():
    for kind in ("RealtimeSession", "ChatSession"):
        run(ASKED, kind)
