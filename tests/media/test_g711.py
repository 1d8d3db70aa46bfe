import numpy as np
import pytest

from realtime_nb.errors import AudioError
from realtime_nb.media.g711 import decode_alaw, decode_ulaw, encode_alaw, encode_ulaw

ALL_CODES = bytes(range(256))
ALL_VALUES = np.arange(-32768, 32768)
LAWS = [
    pytest.param(encode_ulaw, decode_ulaw, id="ulaw"),
    pytest.param(encode_alaw, decode_alaw, id="alaw"),
]
# ITU-T G.711 (11/88), tables 1a to 2b: the first level of each segment, and the ends, at 16 bits.
ULAW = {
    0xFF: 0,
    0xEF: 132,
    0xDF: 396,
    0xCF: 924,
    0xBF: 1_980,
    0xAF: 4_092,
    0x9F: 8_316,
    0x8F: 16_764,
    0x80: 32_124,
    0x7F: 0,
    0x6F: -132,
    0x00: -32_124,
    0xFE: 8,
    0xF0: 120,
}
ALAW = {
    0xD5: 8,
    0xC5: 264,
    0xF5: 528,
    0xE5: 1_056,
    0x95: 2_112,
    0x85: 4_224,
    0xB5: 8_448,
    0xA5: 16_896,
    0xAA: 32_256,
    0x55: -8,
    0x45: -264,
    0x2A: -32_256,
    0xD4: 24,
}


def values(pcm):
    return np.frombuffer(pcm, "<i2").astype(int)


def pcm(numbers):
    return np.asarray(numbers).astype("<i2").tobytes()


@pytest.mark.parametrize(("code", "value"), ULAW.items())
def test_ulaw_levels_are_the_standards(code, value):
    assert values(decode_ulaw(bytes([code]))).tolist() == [value]


@pytest.mark.parametrize(("code", "value"), ALAW.items())
def test_alaw_levels_are_the_standards(code, value):
    assert values(decode_alaw(bytes([code]))).tolist() == [value]


def test_silence_and_full_scale_have_the_standards_codes():
    assert encode_ulaw(pcm([0, 32_767, -32_768])) == bytes([0xFF, 0x80, 0x00])
    assert encode_alaw(pcm([0, -1, 32_767, -32_768])) == bytes([0xD5, 0x55, 0xAA, 0x2A])


@pytest.mark.parametrize(("encode", "decode"), LAWS)
def test_decoded_codes_encode_to_the_same_level(encode, decode):
    assert decode(encode(decode(ALL_CODES))) == decode(ALL_CODES)


def test_every_code_but_minus_zero_comes_back():
    assert encode_alaw(decode_alaw(ALL_CODES)) == ALL_CODES
    assert encode_ulaw(decode_ulaw(ALL_CODES)) == ALL_CODES.replace(b"\x7f", b"\xff")


@pytest.mark.parametrize(("encode", "decode"), LAWS)
def test_the_error_is_half_a_step_at_most(encode, decode):
    levels = np.unique(values(decode(ALL_CODES)))
    error = np.abs(values(decode(encode(pcm(ALL_VALUES)))) - ALL_VALUES)
    assert (error == np.abs(levels[:, None] - ALL_VALUES).min(axis=0)).all()


@pytest.mark.parametrize(("encode", "decode"), LAWS)
def test_louder_never_becomes_quieter(encode, decode):
    assert (np.diff(values(decode(encode(pcm(ALL_VALUES))))) >= 0).all()


@pytest.mark.parametrize("encode", [encode_ulaw, encode_alaw])
def test_half_a_sample_is_refused(encode):
    with pytest.raises(AudioError, match="3 bytes"):
        encode(b"abc")


@pytest.mark.parametrize(("encode", "decode"), LAWS)
def test_nothing_stays_nothing(encode, decode):
    assert encode(b"") == decode(b"") == b""
