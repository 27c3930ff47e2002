"""Audio formats, over real sockets: seconds are counted by the format that was negotiated."""

import json

import pytest
from caller import Caller
from endpoint import running_simulator

from harness.adapter import RealtimeAdapter
from harness.audio import AudioChunk
from harness.options import parse_workload
from harness.records import Outcome

pytestmark = pytest.mark.e2e

WIRES = {
    "pcm16": {"type": "audio/pcm", "rate": 24000},
    "16 kHz": {"type": "audio/pcm", "rate": 16000},
    "pcmu": {"type": "audio/pcmu"},
    "pcma": {"type": "audio/pcma"},
}


@pytest.fixture(params=WIRES)
def options(request, tmp_path):
    """Options that negotiate a format, for both directions."""
    if request.param in ("pcmu", "pcma"):
        return {"audio_format": request.param}
    path = tmp_path / "session.json"
    both = {side: {"format": WIRES[request.param]} for side in ("input", "output")}
    path.write_text(json.dumps({"audio": both}))
    return {"session": str(path)}


@pytest.mark.parametrize("vad", ["none", "server_vad"])
def test_audio_seconds_are_those_of_the_negotiated_format(options, vad):
    answers = ("--answer", "900ms", "--ttfa", "80ms", "--silence-ms", "100", "--speed", "0")
    with running_simulator(*answers) as sim:
        caller = Caller(sim.url, turn_detection=vad, listen="playback", **options)
        with caller.call as call:
            turn = call.say("Yes, please.")
        (line,) = sim.truth()

    assert turn.outcome is Outcome.COMPLETED
    assert turn.audio_received_s == pytest.approx(line["audio_s"], abs=0.001)
    assert turn.audio_received_s == pytest.approx(1.0, abs=0.001)  # the silence, then the answer
    assert turn.audio_heard_s == pytest.approx(1.0, abs=0.001)
    # After the buffer, the answer begins with 100 ms of silence, and those of its voice.
    buffer = 0.1
    audible = (turn.marks["first_audible"] - turn.marks["first_audio"]) / 1e9
    assert buffer + 0.1 - 0.005 <= audible <= buffer + 0.25
    assert line["voiced_in"] is not None
    if vad == "none":
        assert turn.audio_sent_s == pytest.approx(0.96, abs=0.02)  # to the end of the voice


def test_a_script_hears_every_format_as_24_khz(options):
    with running_simulator("--answer", "900ms", "--ttfa", "50ms", "--speed", "0") as simulator:
        with RealtimeAdapter(simulator.url, parse_workload(options), api_key="") as adapter:
            adapter.send_audio(AudioChunk(b"\x10\x27" * 12_000))
            answer = adapter.recv_answer(10)
        totals = simulator.truth()

    assert answer.duration_seconds == pytest.approx(0.9, abs=0.001)
    assert totals[0]["audio_s"] == pytest.approx(0.9)
