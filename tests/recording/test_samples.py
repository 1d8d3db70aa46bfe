import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_nb.media import g711
from realtime_nb.recording.tracks import from_samples, rate_of, silence, to_samples

G711 = {"audio/pcmu": g711.decode_ulaw, "audio/pcma": g711.decode_alaw}


@given(st.binary(max_size=64), st.sampled_from(["audio/pcm", "audio/pcmu", "audio/pcma", "audio/new"]))
def test_what_was_on_the_wire_comes_back_bit_by_bit(data, encoding):
    samples = to_samples(data, encoding)
    if samples is None:
        assert len(data) % 2 and encoding not in G711
    else:
        assert from_samples(samples, encoding) == data


@pytest.mark.parametrize("encoding", G711)
def test_a_track_sounds_as_the_codec_does(encoding):
    data = bytes(range(256))
    samples, levels = to_samples(data, encoding), np.frombuffer(G711[encoding](data), "<i2")
    assert np.abs(samples - levels).max() <= 1  # The negative zero of mu-law.
    assert rate_of(encoding) == 8_000


@pytest.mark.parametrize("encoding", ["audio/pcm", *G711])
def test_silence_is_silent(encoding):
    assert np.abs(to_samples(silence(5, encoding), encoding)).max() <= 8
    assert len(to_samples(silence(5, encoding), encoding)) == 5
