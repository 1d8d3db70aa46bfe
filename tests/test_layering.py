"""The floors of the package: what may import what, and what each import costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import realtime_nb

ROOT = Path(realtime_nb.__file__).parent
FLOORS = {
    0: (
        *("errors", "record", "paths", "texts", "files", "progress", "audio", "sound_files", "pyav", "g711"),
        *("sentences", "imaging", "pictures", "secrecy", "strangers", "terminal", "memory"),
    ),
    1: (
        *("wire", "tokens", "prices", "pricing", "timing", "turns", "heard", "input_track"),
        *("item_order", "turn_index", "seams", "history", "output_folds", "local_folds"),
        "checkup",
        *(
            "charges",
            "costs",
            "estimates",
            "conversation",
            "latency",
            "alignment",
            "written_forms",
            "paired",
            "comparison",
        ),
        *("activity", "intonation", "turn_cuts", "turn_comparison", "syllables", "voice_measures"),
        *("watched", "tools", "tool_schema"),
        *("limits", "allowance", "guard_window"),
        "recording",
    ),
    2: ("loop", "backends", "local_voice", "limiter"),
    3: ("sessions",),
    4: ("views", "bridge"),
    5: ("widgets", "diagnosis", "experiments"),
    6: ("cli", "cli_doctor", "cli_eval", "cli_lab", ""),  # the command line, and the package itself
}
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
#: The only modules that may import these, at whatever depth.
HOMES = {
    "librosa": {"views.transforms", "activity", "intonation", "recording.mix"},
    "matplotlib": {
        *("views.spectrogram_picture", "views.turn_comparison_picture"),
        *("views.plots", "views.interval_plot"),
    },
    "PIL": {"imaging", "pictures", "views.plots"},
    "av": {"pyav"},
    "soundfile": {"audio", "sound_files", "recording.track_files"},
    "soxr": {"audio", "sound_files"},
    "nest_asyncio": {"loop"},
    "websockets": {"sessions.transport", "bridge"},
    "ipywebrtc": {"widgets.sources"},
    "anywidget": {"widgets.base"},
    "pandas": {
        *("comparison", "costs", "estimates", "latency", "turn_comparison"),
        *("experiments.datasets", "experiments.folder", "experiments.results", "experiments.plotting"),
        "experiments.run_comparison",
        *("recording.frames", "recording.difference", "recording.recording"),
        *("views.practice", "voice_measures"),
    },
    "jiwer": {"alignment"},
    "distributed": {"experiments.sending"},
    "cloudpickle": {"experiments.sending"},
    "pyloudnorm": {"voice_measures"},
    "speechmos": {"voice_measures"},
    "syllapy": {"syllables"},
    "pydantic": {"tools", "tool_schema"},
    "docstring_parser": {"tool_schema"},
}
#: Those that may take parts of the local server into their own process.
LISTENERS = ("local_voice", "experiments.recognised", "experiments.replayed_turns")
HEAVY = (
    "librosa matplotlib pandas openai pydantic docstring_parser ipywidgets anywidget ipywebrtc nest_asyncio IPython av"
).split()
SOCKETS = ["websockets", "starlette", "uvicorn"]


def modules():
    return sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.rglob("*.py"))


def name_of(module):
    return module.removesuffix("__init__").removesuffix(".")


def imports(module):
    """Return all modules that a module's text imports, in full: ours as "realtime_nb.…"."""
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    package = ["realtime_nb", *module.split(".")[:-1]]
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{source}.{alias.name}" for alias in node.names} if not node.module else {source}
    return found


def room_of(name):
    return name.split(".")[0]


def loaded_after(names):
    """Return what a fresh interpreter holds after importing these modules of ours."""
    code = f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    return set(done.stdout.split())


def ours(*rooms):
    return [f"realtime_nb.{name_of(module)}" for module in modules() if room_of(module) in rooms]


def test_every_module_has_its_floor():
    rooms = {room_of(name_of(module)) for module in modules()}
    assert rooms == {*FLOOR_OF, "local"}


@pytest.mark.parametrize("module", [module for module in modules() if room_of(module) not in ("local", *FLOORS[6])])
def test_nothing_imports_from_a_floor_above(module):
    floor = FLOOR_OF[room_of(name_of(module))]
    highest = 1 if room_of(module) == "views" else floor  # Views show records; they know no session.
    for each in imports(module):
        if each.startswith("realtime_nb"):
            room = room_of(each.removeprefix("realtime_nb").removeprefix("."))
            if room == room_of(name_of(module)) or (room == "local" and module in LISTENERS):
                continue
            assert FLOOR_OF[room] <= highest, f"{module} is on floor {floor} and imports {each}"


@pytest.mark.parametrize("module", [module for module in modules() if room_of(module) == "local"])
def test_the_local_server_knows_only_the_lowest_floors(module):
    for each in imports(module):
        if each.startswith("realtime_nb."):
            room = room_of(each.removeprefix("realtime_nb."))
            assert room == "local" or FLOOR_OF[room] <= 1, f"{module} imports {each}"


@pytest.mark.parametrize("library", HOMES)
def test_a_library_has_one_home(library):
    importers = {
        name_of(module) for module in modules() if any(each.split(".")[0] == library for each in imports(module))
    }
    assert importers - HOMES[library] == set()


def test_only_the_transport_is_a_client_and_only_the_bridge_a_server():
    kinds = {
        module: {each.split(".")[2] for each in imports(module) if each.startswith("websockets.asyncio.")}
        for module in ("sessions.transport", "bridge")
    }
    assert kinds == {"sessions.transport": {"client"}, "bridge": {"server"}}


def test_importing_the_package_loads_nothing():
    loaded = loaded_after(["realtime_nb"])
    assert loaded.isdisjoint([*HEAVY, *SOCKETS, "numpy", "msgspec", "soundfile", "soxr", "asyncio"])


def test_the_lowest_floors_load_neither_sockets_nor_pictures():
    loaded = loaded_after(ours(*FLOORS[0], *FLOORS[1]))
    assert loaded.isdisjoint([*HEAVY, *SOCKETS])


def test_sessions_load_no_pictures_and_no_widgets():
    loaded = loaded_after(ours(*FLOORS[2], *FLOORS[3]))
    assert loaded.isdisjoint([*HEAVY, "starlette", "uvicorn"])


def test_views_load_pictures_when_the_first_is_drawn():
    loaded = loaded_after(ours("views"))
    assert loaded.isdisjoint([*HEAVY, *SOCKETS])


def test_experiments_load_no_pictures_and_no_widgets():
    loaded = loaded_after(ours("experiments"))
    assert loaded.isdisjoint([*HEAVY, "scipy", "tqdm", "starlette", "uvicorn"])


def test_widgets_load_no_pictures():
    loaded = loaded_after(ours("widgets"))
    assert loaded.isdisjoint(["librosa", "matplotlib", "pandas", "openai", "nest_asyncio"])
