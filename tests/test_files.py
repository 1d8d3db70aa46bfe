"""Files that the package writes: only their owner can read them, and damage is noticed."""

import os
import stat

import numpy as np
import pytest

import realtime_nb as rt
from realtime_nb.files import make_folder, seal, split_sealed, unseal, write_private, write_whole

LINES = [b'{"a":%d}' % number for number in range(4)]


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
def test_files_and_folders_are_their_owners_alone_whatever_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        make_folder(tmp_path / "a" / "b")
        write_private(tmp_path / "a" / "b" / "x", b"1")
        write_whole(tmp_path / "a" / "b" / "y", b"2")
        rt.AudioClip(np.zeros(100, np.float32)).save(tmp_path / "a" / "clip.wav")
        rt.Picture.of(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a" / "picture.png")
    finally:
        os.umask(before)
    assert {mode(each) for each in tmp_path.rglob("*") if each.is_file()} == {0o600}
    assert {mode(each) for each in tmp_path.rglob("*") if each.is_dir()} == {0o700}


def test_what_is_there_keeps_its_permissions(tmp_path):
    (tmp_path / "shared").mkdir(mode=0o755)
    (tmp_path / "shared").chmod(0o755)
    path = tmp_path / "shared" / "clip.wav"
    path.touch()
    path.chmod(0o644)
    make_folder(tmp_path / "shared")
    rt.AudioClip(np.zeros(100, np.float32)).save(path)
    assert mode(path) == 0o644 and mode(path.parent) == 0o755
    assert rt.AudioClip.from_file(path).duration_s > 0


def test_a_new_file_that_the_disk_does_not_take_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        write_private(tmp_path / "none" / "x", b"1")
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        write_private(tmp_path / "full", b"1")


def test_a_seal_is_broken_by_every_bit():
    text = seal(b'{"cell_id":"a","wer":0.25}')
    assert unseal(text) == b'{"cell_id":"a","wer":0.25}'
    for at in range(len(text)):
        for bit in range(8):
            data = bytearray(text)
            data[at] ^= 1 << bit
            assert unseal(bytes(data)) is None


def test_lines_that_were_joined_or_parted_cost_one_at_most():
    sealed = [seal(line) for line in LINES]
    assert split_sealed(b"\n".join(sealed), "a") == (LINES, [], True)
    assert split_sealed(b"\r\n".join([*sealed, b""]), "a").whole == LINES
    joined = sealed[0] + b"\n" + sealed[1] + b"J" + sealed[2] + b"\n" + sealed[3]
    assert split_sealed(joined, "a") == (LINES, [], True)
    parted = sealed[0] + b"\n" + sealed[1][:9] + b"\n" + sealed[1][10:] + b"\n" + sealed[2]
    found = split_sealed(parted, "a")
    assert found.whole == [LINES[0], LINES[2]] and [number for number, _ in found.damaged] == [2]
    mixed = split_sealed(b"\n".join([LINES[0], sealed[1]]), "a")  # What has lost its seal is not what was written.
    assert mixed.whole == [LINES[1]] and mixed.damaged == [(1, LINES[0])]


def test_lines_of_earlier_versions_are_known_by_how_they_begin():
    found = split_sealed(b"\n".join([*LINES, b'{"b":1}', b"", b'"x"']), "a")
    assert found == (LINES, [(5, b'{"b":1}'), (7, b'"x"')], False)
