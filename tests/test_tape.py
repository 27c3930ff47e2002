import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tape import EVENTS, Script, arguments, audio, calls, created, done, error, ms

from harness.audio import PCM16, PCMA, PCMU
from harness.metrics import measure
from harness.realtime.events import AudioDelta, IdleTimeout, Malformed, Unknown
from harness.records import Flag, Kind, Outcome
from harness.reel import Reel, read_tape, write_tape
from harness.tape import TapedRecorder, replay


class Taped(Script):
    """A conversation on tape."""

    recorder_class = TapedRecorder

    def tapes(self, at):
        for turn in self.until(at):
            measure(turn)
        return self.recorder.tapes


def talk(*facts, at=10_000, **settings):
    """The tapes of one thing said from 0 to 100 ms and what the endpoint sent then."""
    script = Taped(**settings)
    script.say(0, 100)
    script.hear(*facts)
    return script.tapes(at)


def through_a_file(tape, folder, **how):
    path = folder / tape.name
    path.write_bytes(write_tape(tape, **how))
    return read_tape(path)


def as_data(turn):
    return msgspec.to_builtins(turn)


GAP = ((300, created()), (400, audio(200)), (800, audio(100)), (900, done()))


def test_a_tape_folds_to_the_turn_it_was_made_of(tmp_path):
    (tape,) = talk(*GAP)

    assert as_data(replay(through_a_file(tape, tmp_path))) == as_data(tape.turn)


def test_an_answer_to_an_idle_caller_folds_again(tmp_path):
    script = Taped(vad=True)
    script.hear((300, IdleTimeout()), (310, created()), (400, audio(100)), (500, done()))
    (tape,) = script.tapes(2000)

    assert tape.turn.flags == [Flag.IDLE_TIMEOUT]
    assert as_data(replay(through_a_file(tape, tmp_path))) == as_data(tape.turn)


def test_a_longer_buffer_leaves_a_shorter_gap_and_a_later_start(tmp_path):
    (tape,) = talk(*GAP)
    again = replay(through_a_file(tape, tmp_path), buffer_ns=ms(150))

    assert tape.turn.gaps == pytest.approx([0.100])
    assert again.gaps == pytest.approx([0.050])
    assert again.metrics["ttfa_audible"] - tape.turn.metrics["ttfa_audible"] == pytest.approx(0.050)
    assert again.ttfa == tape.turn.ttfa
    assert replay(tape, buffer_ns=ms(200)).gaps == []


def test_a_tape_without_sound_keeps_its_length_and_where_it_becomes_audible(tmp_path):
    (tape,) = talk((300, created()), (400, audio(200, silent=130)), (500, done()))
    lean, whole = write_tape(tape), write_tape(tape, audio=True)

    assert len(whole) > len(lean) + 200 * 48
    assert through_a_file(tape, tmp_path).facts[4].event.delta[: 130 * 48] == bytes(130 * 48)
    assert as_data(replay(through_a_file(tape, tmp_path))) == as_data(tape.turn)
    kept = through_a_file(tape, tmp_path, audio=True)
    assert kept.facts[4].event == tape.facts[4].event


@pytest.mark.parametrize("format", [PCM16, PCMU, PCMA])
@pytest.mark.parametrize("n", [1600, 1601])
def test_any_format_and_half_a_sample_fold_alike(tmp_path, format, n):
    sound = format.silence(800) + b"\x12" * (n - 800)
    (tape,) = talk(
        (300, created()),
        (400, AudioDelta(response_id="r1", item_id="i", delta=sound)),
        (410, AudioDelta(response_id="r1", item_id="i", delta=sound)),
        (500, done()),
        format=format,
    )

    assert as_data(replay(through_a_file(tape, tmp_path))) == as_data(tape.turn)


def test_what_is_no_event_stays_on_the_tape(tmp_path):
    (tape,) = talk((200, Unknown("new.event")), (210, Malformed("no object")), *GAP)
    read = through_a_file(tape, tmp_path)

    assert read.facts[3].event == Unknown("new.event")
    assert as_data(replay(read)) == as_data(tape.turn)


def test_a_turn_of_a_tool_folds_again(tmp_path):
    script = Taped()
    turn = script.say(0, 100)
    script.hear((300, created()), (360, calls("look_up")), (400, arguments()), (410, done()))
    script.recorder.tool_answered(turn, "c1", at=ms(650), outcome="ok", valid=True)
    script.recorder.requested(turn, ms(650))
    script.hear((700, created("r2")), (900, audio(100, response="r2")), (950, done("r2")))
    (tape,) = script.tapes(9000)
    again = replay(through_a_file(tape, tmp_path))

    assert again.metrics["tool_turnaround"] == pytest.approx(0.250)
    assert as_data(again) == as_data(tape.turn)


@pytest.mark.parametrize("allowed", [2, 12], ids=["too often", "often"])
def test_a_turn_that_calls_tools_again_and_again_folds_again(tmp_path, allowed):
    script = Taped()
    script.recorder.tool_rounds = allowed
    script.say(0, 100)
    now = 300
    for n in range(11):
        name, call = f"r{n}", f"c{n}"
        script.hear((now, created(name)), (now + 1, calls("look_up", call, name)))
        script.hear((now + 2, arguments("{}", call, name)), (now + 3, done(name)))
        script.answer_tools(now + 5)
        now += 10
    script.hear((now, created("last")), (now + 1, audio(100, response="last")))
    script.hear((now + 2, done("last")))
    (tape, *_) = script.tapes(9000)

    assert tape.turn.code == ("tool_loop" if allowed == 2 else None)
    assert as_data(replay(through_a_file(tape, tmp_path))) == as_data(tape.turn)


def test_turns_that_overlap_have_tapes_of_their_own(tmp_path):
    script = Taped()
    script.say(0, 100)
    script.hear((300, created("r1")), (400, audio(3000, response="r1")))
    script.recorder.cancelled(ms(1300))
    script.recorder.talk_over(ms(1300))
    second = script.recorder.begin(Kind.SPEECH, due=ms(1300), at=ms(1300))
    script.hear((1350, audio(100, response="r1")), (1360, done("r1", "cancelled")))
    script.finish_saying(second, 2000)
    script.hear((2200, created("r2")), (2300, audio(100, response="r2")), (2400, done("r2")))
    tapes = script.tapes(9000)

    again = [replay(through_a_file(tape, tmp_path)) for tape in tapes]
    assert [as_data(turn) for turn in again] == [as_data(tape.turn) for tape in tapes]
    assert [turn.outcome for turn in again] == [Outcome.CANCELLED, Outcome.COMPLETED]
    assert again[0].metrics["overtalk"] == pytest.approx(0.1)


def test_what_is_no_matter_of_the_fold_is_kept(tmp_path):
    (tape,) = talk(*GAP)
    tape.turn.session_age_s, tape.turn.worker_concurrency, tape.turn.cost_usd = 12.5, 7, 0.01
    tape.turn.flags.append(Flag.SUSPECT)

    assert as_data(replay(through_a_file(tape, tmp_path))) == as_data(tape.turn)


@given(
    vad=st.booleans(),
    steps=st.lists(st.tuples(st.integers(1, 900), st.integers(0, len(EVENTS) - 1)), max_size=40),
    over=st.lists(st.integers(0, 39), max_size=3),
)
def test_any_conversation_on_tape_folds_to_the_same_turns(tmp_path_factory, vad, steps, over):
    folder = tmp_path_factory.getbasetemp()
    script = Taped(vad=vad)
    script.say(0, 100)
    now = 100
    for index, (wait, which) in enumerate(steps):
        now += wait
        script.recorder.advance(ms(now))
        if index in over:
            script.recorder.talk_over(ms(now))
            script.say(now, now + 1)
        script.hear((now, EVENTS[which]))
        if index % 3 == 0:
            script.answer_tools(now + 0.5)
    script.over(now + 1)

    assert len(script.recorder.tapes) == len(script.recorder.finished)
    for tape in script.recorder.tapes:
        assert as_data(replay(through_a_file(tape, folder))) == as_data(tape.turn)
    assert script.recorder._facts == []


def tape_of(number, ttfa, outcome=Outcome.COMPLETED):
    (tape,) = talk((100 + ttfa, created()), (100 + ttfa, audio(50)), (100 + ttfa, done()))
    tape.turn.turn, tape.turn.outcome = number, outcome
    return tape


def test_the_worst_turns_are_kept_failed_ones_first():
    reel = Reel(2, seed=1)
    reel._sample = [(2.0, ""), (2.0, "")]  # no sample here
    for number, ttfa in enumerate((100, 900, 300, 500)):
        reel.offer(tape_of(number, ttfa))
    reel.offer(tape_of(9, 200, Outcome.FAILED))

    assert list(reel.tapes) == ["local-0-0-1.jsonl", "local-0-0-9.jsonl"]


def test_the_sample_is_the_same_however_turns_are_spread_over_workers():
    one, others = Reel(3, seed=7), [Reel(3, seed=7) for _ in range(2)]
    tapes = [tape_of(number, 100) for number in range(40)]
    for tape in tapes:
        one.offer(tape)
        others[tape.turn.turn % 2].offer(tape)

    assert {name for _, name in one._sample} <= {name for o in others for _, name in o._sample}
    assert len(one.tapes) <= 6
    assert {name for _, name in (*one._sample, *one._worst)} == set(one.tapes)


def test_the_name_of_a_tape_is_fit_for_a_file():
    tape = tape_of(3, 100)
    tape.turn.worker = "host/..:1"

    assert tape.name == "host_.._1-0-0-3.jsonl"


def test_what_the_server_echoes_of_a_key_is_not_kept():
    (tape,) = talk((200, error("invalid_api_key: sk-secret", "ask")))
    reel = Reel(1, seed=1)

    reel.offer(tape, lambda text: text.replace("sk-secret", "***"))

    assert b"***" in reel.tapes[tape.name]
    assert b"sk-secret" not in reel.tapes[tape.name]
