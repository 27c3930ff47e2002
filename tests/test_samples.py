"""Samples and codes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.audio import PCM16, PCMA, PCMU, AudioFormat
from harness.samples import decode_audio, encode_audio, first_audible, resample, to_int16

FORMATS = [PCM16, PCMU, PCMA, AudioFormat("pcm16", 16_000, 2)]


def tone(rate, seconds=1.0, hz=440, level=8000):
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(
        np.int16
    )


@pytest.mark.parametrize("format", FORMATS)
def test_silence_is_not_heard(format):
    assert first_audible(format.silence(960), format) is None
    assert len(format.silence(960)) == 960


def test_floats_become_samples_without_wrapping():
    floats = np.array([0.0, 0.5, -0.5, 1.0, -1.0, 3.0, -3.0, np.nan, 1 / 32768])

    assert to_int16(floats).tolist() == [0, 16384, -16384, 32767, -32768, 32767, -32768, 0, 1]


def test_what_is_no_number_is_silent_and_what_has_no_bound_is_clipped():
    strange = np.array([np.nan, np.inf, -np.inf], dtype=np.float32)

    assert to_int16(strange).tolist() == [0, 32767, -32768]


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100])
def test_resampling_keeps_a_tone(rate):
    samples = resample(tone(24_000), 24_000, rate)

    heard = samples[rate // 10 : -rate // 10].astype(int)
    expected = tone(rate)[rate // 10 : -rate // 10].astype(int)
    assert len(samples) == rate
    assert np.abs(heard - expected).max() <= 3  # of 8000


def test_resampling_a_full_square_wave_clips_instead_of_wrapping():
    square = np.where(np.arange(24_000) % 120 < 60, 32_767, -32_768).astype(np.int16)

    middle = resample(square, 24_000, 8_000).reshape(-1, 40)[:, 5:15]  # of its upper halves

    assert middle.min() > 25_000


@pytest.mark.parametrize(
    ("format", "codes", "samples"),
    [
        (PCMU, b"\x00\x80\xff\x7f\xf0\x8f", [-32124, 32124, 0, 0, 120, 16764]),
        (PCMA, b"\xd5\x55\x2a\xaa\x85\x05", [8, -8, -32256, 32256, 4224, -4224]),
    ],
)
def test_codes_of_g711(format, codes, samples):
    """Values of ITU-T G.711, scaled to 16 bits."""
    assert decode_audio(codes, format).tolist() == samples


@pytest.mark.parametrize("format", [PCMU, PCMA])
def test_every_code_comes_back(format):
    codes = bytes(set(range(256)) - {0x7F})  # the second zero of µ-law

    assert through_the_codec(decode_audio(codes, format), format) == codes


def through_the_codec(samples, format):
    """At 24 kHz, so that nothing is resampled."""
    return encode_audio(samples, AudioFormat(format.name, PCM16.rate, 1))


@given(st.integers(-32_000, 32_000), st.sampled_from([PCMU, PCMA]))
def test_g711_errs_by_a_sixteenth_at_most(sample, format):
    samples = np.array([sample], np.int16)

    (heard,) = decode_audio(through_the_codec(samples, format), format).tolist()

    assert abs(heard - sample) <= abs(sample) / 16 + 16


@given(st.lists(st.integers(-32_768, 32_767)))
def test_pcm_comes_back(samples):
    data = encode_audio(np.array(samples, np.int16), PCM16)

    assert decode_audio(data, PCM16).tolist() == samples
    assert decode_audio(data + b"\x01", PCM16).tolist() == samples


@pytest.mark.parametrize("format", FORMATS)
def test_the_first_audible_sample_is_found_in_every_format(format):
    samples = np.zeros(24_000, np.int16)
    samples[12_000:] = tone(24_000, 0.5, level=16_000)

    offset = first_audible(encode_audio(samples, format), format)

    assert offset / format.rate == pytest.approx(0.5, abs=0.001)


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_is_audible_in_no_audio(format):
    assert first_audible(b"", format) is None


def test_a_level_above_silence_is_audible():
    assert first_audible(np.array([0, 104, -104, 105], "<i2").tobytes(), PCM16) == 3
    assert first_audible(memoryview(np.array([-105], "<i2").tobytes()), PCM16) == 0
