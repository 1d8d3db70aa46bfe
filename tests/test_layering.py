"""The floors of the package: what may import what, and what each import costs."""

import ast
import functools
import graphlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

import realtime_nb

ROOT = Path(realtime_nb.__file__).parent


def described(name):
    """Return what a room, or a file beside the rooms, says of itself: in words, its floor, and what it may import."""
    path = ROOT / name / "__init__.py" if (ROOT / name).is_dir() else ROOT / f"{name}.py"
    text = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    floor = re.search(r"^Floor (\d)", text, re.MULTILINE)
    return text.split("\n\n")[0].replace("\n", " "), int(floor[1])


ROOMS = sorted(
    {path.relative_to(ROOT).with_suffix("").parts[0] for path in ROOT.rglob("*.py")} - {"__init__"},
    key=lambda name: (described(name)[1], name),
)
FLOOR_OF = {room: described(room)[1] for room in ROOMS} | {"": 9}


def rooms_below(floor):
    return [room for room in ROOMS if FLOOR_OF[room] < floor]


def floor_plan():
    """Return the table of CONTRIBUTING.md."""
    rows = ["| floor | room | what lives there |", "|---|---|---|"]
    for room in ROOMS:
        name = f"`{room}/`" if (ROOT / room).is_dir() else f"`{room}.py`"
        rows.append(f"| {FLOOR_OF[room]} | {name} | {described(room)[0]} |")
    return "\n".join(rows) + "\n"


#: The only modules that may import these, at whatever depth.
HOMES = {
    "librosa": {"recording.mix", "speech.voice", "views.transforms"},
    "matplotlib": {"views.interval_plot", "views.plots", "views.spectrogram", "views.speech"},
    "PIL": {"media.picture", "views.plots"},
    "av": {"media.pyav"},
    "soundfile": {"numeric"},
    "soxr": {"numeric"},
    "nest_asyncio": {"loop"},
    "websockets": {"sessions.connection", "widgets.road"},
    "ipywebrtc": {"widgets.microphone"},
    "anywidget": {"widgets.base"},
    "pandas": {
        "conversation.conversation",
        "conversation.costs",
        "conversation.timeline",
        "experiments.compare",
        "experiments.dataset",
        "experiments.exports",
        "experiments.folder",
        "experiments.plots",
        "experiments.results",
        "pricing.estimate",
        "recording.diff",
        "recording.recording",
        "speech.comparison",
        "speech.turn_detection",
        "speech.voice",
        "views.practice",
    },
    "jiwer": {"speech.words"},
    "ctranslate2": {"local.recognition.whisper"},
    "hibari": {"local.synthesis.neural", "local.synthesis.voice_files"},
    "distributed": {"experiments.executor"},
    "cloudpickle": {"experiments.executor"},
    "pyloudnorm": {"speech.voice"},
    "speechmos": {"speech.voice"},
    "syllapy": {"speech.syllables"},
    "pydantic": {"tools"},
    "docstring_parser": {"tools"},
}
#: Those that may take parts of the local server into their own process.
LISTENERS = ("experiments.turn_detection", "diagnosis.probes", "cli.main")
HEAVY = (
    "librosa matplotlib pandas openai pydantic docstring_parser ipywidgets anywidget ipywebrtc nest_asyncio IPython av"
).split()
SOCKETS = ["websockets", "starlette", "uvicorn"]


def modules():
    return sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.rglob("*.py"))


def name_of(module):
    return module.removesuffix("__init__").removesuffix(".")


OURS = {f"realtime_nb.{name_of(module)}".removesuffix(".") for module in modules()}


@functools.cache
def imports(module):
    """Return what a module's text imports, in full, for types only and by string too: ours as "realtime_nb.…"."""
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    package = ["realtime_nb", *module.split(".")[:-1]]
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            named = {f"{source}.{alias.name}" for alias in node.names}
            found |= (named & OURS or {source}) if node.module else named
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("import_module", "__import__"):
            given = node.args[0].value if isinstance(node.args[0], ast.Constant) else ""
            found.add(importlib.util.resolve_name(given, ".".join(package)) if given else "")
    return found


def room_of(name):
    return name.split(".")[0]


def loaded_after(names, then=""):
    """Return what a fresh interpreter holds after importing these modules of ours, and running some code."""
    code = f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\n{then}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    return set(done.stdout.split())


def ours(*rooms):
    return [f"realtime_nb.{name_of(module)}" for module in modules() if room_of(module) in rooms]


def test_the_floor_plan_is_what_the_rooms_say_of_themselves():
    assert floor_plan() in (ROOT.parent / "CONTRIBUTING.md").read_text("utf-8")


@pytest.mark.parametrize("module", [module for module in modules() if room_of(name_of(module))])
def test_every_import_points_down(module):
    own = room_of(name_of(module))
    floor = 4 if own == "views" else FLOOR_OF[own]  # Views show records; they know no session.
    for each in imports(module):
        if each.startswith("realtime_nb"):
            room = room_of(each.removeprefix("realtime_nb").removeprefix("."))
            is_below = (
                FLOOR_OF.get(room, 9) < floor or FLOOR_OF.get(room) == floor == 0
            )  # The files there are one room.
            assert room == own or is_below or own == "cli", f"{module} is on floor {floor} and imports {each}"


def test_no_modules_import_each_other_in_a_circle():
    graph = {f"realtime_nb.{name_of(module)}".removesuffix("."): imports(module) for module in modules()}
    list(graphlib.TopologicalSorter(graph).static_order())  # Names the circle, if there is one.


def test_no_class_name_stands_for_two_things():
    homes = {}
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(path.relative_to(ROOT).as_posix())
    assert len(homes) > 100 and {name: paths for name, paths in homes.items() if len(paths) > 1} == {}


@pytest.mark.parametrize("module", [module for module in modules() if room_of(name_of(module)) not in ("", "local")])
def test_the_local_server_is_a_process_of_its_own(module):
    taken = {each for each in imports(module) if each.startswith("realtime_nb.local")}
    assert taken <= {"realtime_nb.local.process"} or module in LISTENERS


@pytest.mark.parametrize("library", HOMES)
def test_a_library_has_one_home(library):
    importers = {
        name_of(module) for module in modules() if any(each.split(".")[0] == library for each in imports(module))
    }
    assert importers - HOMES[library] == set()


def test_only_the_connection_is_a_client_and_only_the_road_a_server():
    kinds = {
        module: {each.split(".")[2] for each in imports(module) if each.startswith("websockets.asyncio.")}
        for module in ("sessions.connection", "widgets.road")
    }
    assert kinds == {"sessions.connection": {"client"}, "widgets.road": {"server"}}


def test_importing_the_package_loads_nothing():
    loaded = loaded_after(["realtime_nb"])
    assert loaded.isdisjoint([*HEAVY, *SOCKETS, "numpy", "msgspec", "soundfile", "soxr", "asyncio"])


def test_the_lowest_floors_load_neither_sockets_nor_pictures():
    loaded = loaded_after(ours(*rooms_below(4)))
    assert loaded.isdisjoint([*HEAVY, *SOCKETS])


def test_sessions_load_no_pictures_and_no_widgets():
    loaded = loaded_after(ours("sessions"))
    assert loaded.isdisjoint([*HEAVY, "starlette", "uvicorn"])


def test_views_load_pictures_when_the_first_is_drawn():
    loaded = loaded_after(ours("views"))
    assert loaded.isdisjoint([*HEAVY, *SOCKETS])


def test_a_clip_is_shown_without_the_views_of_other_records():
    shown = "import numpy, realtime_nb as rt\nrt.AudioClip(numpy.zeros(2400, 'float32'), 24_000)._repr_mimebundle_()"
    loaded = loaded_after(["realtime_nb"], shown)
    assert {name for name in loaded if name.startswith("realtime_nb.views.")} == {
        f"realtime_nb.views.{name}" for name in ("budget", "html", "media")
    }


def test_experiments_load_no_pictures_and_no_widgets():
    loaded = loaded_after(ours("experiments"))
    assert loaded.isdisjoint([*HEAVY, "scipy", "tqdm", "starlette", "uvicorn"])


def test_widgets_load_no_pictures():
    loaded = loaded_after(ours("widgets"))
    assert loaded.isdisjoint(["librosa", "matplotlib", "pandas", "openai", "nest_asyncio"])
