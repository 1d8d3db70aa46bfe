import pytest

from realtime_nb.protocol.parts import LocalPart, LocalParts

PARTS = LocalParts(
    LocalPart("PocketSphinx", "5.1.1", "BSD-2-Clause"),
    LocalPart("espeak-ng", "espeakng-loader 0.2.4", "GPL-3.0-or-later"),
    LocalPart("WebRTC VAD", "", "MIT"),
    LocalPart("tiny at 127.0.0.1:11434"),
)


def test_they_are_told_in_one_line():
    assert str(PARTS) == (
        "ears: PocketSphinx 5.1.1 (BSD-2-Clause) · voice: espeak-ng (espeakng-loader 0.2.4, GPL-3.0-or-later) · "
        "end of turn: WebRTC VAD (MIT) · brain: tiny at 127.0.0.1:11434"
    )


def test_they_survive_the_wire():
    assert LocalParts.from_dict(PARTS.to_dict()) == PARTS


@pytest.mark.parametrize("data", [None, [], {}, {"ears": {}}, {**PARTS.to_dict(), "nose": {"name": "x"}}])
def test_what_tells_no_parts_is_refused(data):
    with pytest.raises(ValueError, match="does not tell the parts"):
        LocalParts.from_dict(data)


def test_a_part_has_the_version_of_its_package_and_names_one_of_another_name():
    numpy = LocalPart.of_package("numpy", "numpy", "BSD-3-Clause")
    assert numpy.version[0].isdigit()
    assert LocalPart.of_package("Sums", "numpy", "").version == f"numpy {numpy.version}"
    assert LocalPart.of_package("Nothing", "no-such-package", "MIT") == LocalPart("Nothing", "", "MIT")
