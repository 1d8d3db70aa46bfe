import types
from importlib import metadata

import pytest

from realtime_nb.diagnosis import probes as machine
from realtime_nb.diagnosis.probes import UnmetRequirement


def test_this_environment_meets_what_is_declared():
    found = machine.look_around()
    assert found.unmet == () and found.kernel is None
    assert found.packages["realtime-nb"] and found.packages["anywidget"].startswith("0.11")
    assert found.python.count(".") == 2 and found.system


def test_missing_and_old_packages_are_named_for_pip(monkeypatch):
    declared = [
        "numpy>=999",
        "no-such-thing>=1",
        "soxr>=0.5",
        "webrtcvad>=9; extra == 'local'",
        "x; python_version < '3'",
    ]
    monkeypatch.setattr(metadata, "requires", lambda name: declared)
    unmet = machine.look_around().unmet
    assert unmet == (UnmetRequirement("numpy>=999", metadata.version("numpy")), UnmetRequirement("no-such-thing>=1"))


def test_a_folder_that_was_never_installed_declares_nothing(monkeypatch):
    def requires(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    assert machine.look_around().unmet == ()


@pytest.mark.parametrize(
    ("environment", "modules", "place"),
    [
        ({}, {}, ""),
        ({"VSCODE_PID": "12"}, {}, "vscode"),
        ({"TERM_PROGRAM": "vscode", "VSCODE_GIT_IPC_HANDLE": "x"}, {}, ""),
        ({"COLAB_RELEASE_TAG": "release"}, {}, "colab"),
        ({}, {"google.colab": types.ModuleType("google.colab")}, "colab"),
        ({"BINDER_SERVICE_HOST": "10.0.0.1", "JUPYTERHUB_USER": "jovyan"}, {}, "binder"),
        ({"JUPYTERHUB_USER": "ada"}, {}, "hub"),
    ],
)
def test_notebooks_with_limits_of_their_own_are_known_by_their_marks(environment, modules, place):
    assert machine.place(environment, modules) == place
