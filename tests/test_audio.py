"""Formats in seconds, bytes and frames, and chunks of audio."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.audio import PCM16, PCMA, PCMU, AudioChunk, AudioFormat

FORMATS = [PCM16, PCMU, PCMA, AudioFormat("pcm16", 16_000, 2)]


@pytest.mark.parametrize(
    ("format", "of_a_second", "of_a_frame"),
    [(PCM16, 48_000, 960), (PCMU, 8_000, 160), (PCMA, 8_000, 160), (FORMATS[3], 32_000, 640)],
)
def test_seconds_and_bytes(format, of_a_second, of_a_frame):
    assert format.bytes_per_second == of_a_second
    assert format.seconds(of_a_second) == 1.0
    assert format.nanoseconds(of_a_frame) == 20_000_000
    assert format.frame_bytes(20) == of_a_frame


@given(st.sampled_from(FORMATS), st.integers(10, 200), st.integers(1, 100))
def test_frames_last_as_long_as_they_say(format, frame_ms, count):
    assert format.nanoseconds(format.frame_bytes(frame_ms) * count) == frame_ms * count * 1_000_000


@pytest.mark.parametrize(
    ("raw", "format"),
    [
        ({"type": "audio/pcm", "rate": 24_000}, PCM16),
        ({"type": "audio/pcm"}, PCM16),
        ({"type": "audio/pcm", "rate": 16_000}, FORMATS[3]),
        ({"type": "audio/pcm", "rate": "fast"}, PCM16),
        ({"type": "audio/pcmu"}, PCMU),
        ({"type": "audio/pcma"}, PCMA),
        ("pcm16", PCM16),
        ("g711_ulaw", PCMU),
        ("g711_alaw", PCMA),
        ({"type": "audio/opus"}, None),
        ({}, None),
        (None, None),
        (7, None),
    ],
)
def test_formats_as_servers_name_them(raw, format):
    assert AudioFormat.from_wire(raw) == format


@pytest.mark.parametrize("format", FORMATS)
def test_a_format_is_known_by_its_own_wire_form(format):
    assert AudioFormat.from_wire(format.wire()) == format


@given(st.binary().map(lambda data: data[: len(data) // 2 * 2]), st.integers(1, 50))
def test_frames_joined_give_the_audio_back(data, frame_ms):
    assert b"".join(AudioChunk(data).frames(frame_ms)) == data


def test_a_chunk_knows_its_length():
    assert AudioChunk.silent(0.25).duration_seconds == 0.25
    assert [len(frame) for frame in AudioChunk.silent(0.05).frames(20)] == [960, 960, 480]


def test_half_a_sample_is_refused():
    with pytest.raises(ValueError, match="two bytes a sample, got 3 bytes"):
        AudioChunk(b"abc")
