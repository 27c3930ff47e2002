"""Each fault of an endpoint, among twenty callers: where it lands, and that it disturbs nobody."""

from collections import Counter

import gevent
import numpy as np
import pytest
from caller import Caller
from endpoint import running_simulator
from loop import join

from harness.call import CallEnded
from harness.records import Flag, Outcome, Phase, SessionOutcome
from harness.simulator.faults import EVENT, FAULTS, TIME
from harness.simulator.profiles import shipped_profiles
from harness.utterances import Utterance

pytestmark = pytest.mark.e2e

CALLERS = 20
TURNS = 2
WITHIN = 90.0  # seconds, on a busy machine
DELTA = "response.output_audio.delta"
LIMITS = {
    "timeout_connect": "4s",
    "timeout_session": "4s",
    "timeout_first_audio": "4s",
    "timeout_stall": "3s",
}


WORD = Utterance("hm", "Hm.", np.full(4800, 8000, dtype=np.int16), 0.0, 0.2)  # is soon said


class Crowd:
    """Twenty callers of an endpoint with a fault, after their calls."""

    def __init__(self, fault, *simulate, turns=TURNS, listen=None, **options):
        with running_simulator(
            *("--ttfa", "50ms", "--answer", "500ms", "--answer-audio", "tone", "--tool-rate", "0"),
            *("--fault", fault, *simulate),
        ) as simulator:
            self.callers = [
                Caller(simulator.url, seed=seed, **{**LIMITS, **options}) for seed in range(CALLERS)
            ]
            calls = [gevent.spawn(self._converse, caller, turns, listen) for caller in self.callers]
            join(calls, WITHIN)
            simulator.stop()
            self.truth = simulator.truth()
            self.totals = simulator.totals()
        self.label = fault.partition("=")[0]

    def _converse(self, caller, turns, listen):
        try:
            with caller.call as call:
                for _ in range(turns):
                    call.say(WORD, listen=listen)
        except CallEnded:
            pass

    @property
    def turns(self):
        return [turn for caller in self.callers for turn in caller.turns]

    @property
    def struck(self):
        """The turns that were struck, and those that were not."""
        ids = {line["response_id"] for line in self.truth if self.label in line["faults"]}
        struck = [turn for turn in self.turns if ids & set(turn.response_ids)]
        return struck, [turn for turn in self.turns if not ids & set(turn.response_ids)]

    @property
    def endings(self):
        """Outcome, phase and code of each session, counted."""
        ended = [caller.ended for caller in self.callers]
        return Counter((one.outcome, one.phase, one.code) for one in ended)

    @property
    def deviations(self):
        return sum((Counter(caller.ended.deviations) for caller in self.callers), Counter())


def in_order(turns):
    """Whether each was answered, and heard whole."""
    heard = {(one.outcome, one.phase, one.code, round(one.audio_received_s, 3)) for one in turns}
    assert heard == {(Outcome.COMPLETED, None, None, 0.5)}
    return True


ENDED = (SessionOutcome.ENDED, None, None)


NO_SESSION = [
    ("refuse:401", (SessionOutcome.REFUSED, None, "http_401")),
    ("refuse:403", (SessionOutcome.REFUSED, None, "http_403")),
    ("refuse:429", (SessionOutcome.REFUSED, None, "http_429")),
    ("refuse:503", (SessionOutcome.REFUSED, None, "http_503")),
    ("hold", (SessionOutcome.TIMEOUT, Phase.CONNECT, "upgrade")),
    ("reject:session_limit_reached", (SessionOutcome.REFUSED, None, "session_limit_reached")),
    ("reject:insufficient_quota", (SessionOutcome.REFUSED, None, "insufficient_quota")),
    ("reject:invalid_api_key", (SessionOutcome.REFUSED, None, "invalid_api_key")),
    ("reject:server_error", (SessionOutcome.REFUSED, None, "server_error")),
    ("no-session", (SessionOutcome.TIMEOUT, Phase.SESSION, "session.created")),
]
CLOSES = ["1006", "1000", "1011"]
FAILURES = [
    ("no-answer", (Outcome.TIMEOUT, Phase.FIRST_AUDIO, None)),
    ("stop", (Outcome.TIMEOUT, Phase.STALL, None)),
    ("fail:server_error", (Outcome.FAILED, None, "server_error")),
    ("fail:rate_limit_exceeded", (Outcome.RATE_LIMITED, None, "rate_limit_exceeded")),
    ("incomplete:content_filter", (Outcome.INCOMPLETE, None, "content_filter")),
    ("incomplete:max_output_tokens", (Outcome.INCOMPLETE, None, "max_output_tokens")),
    ("drop:response.done", (Outcome.TIMEOUT, Phase.STALL, None)),
    ("cut:response.done", (Outcome.TIMEOUT, Phase.STALL, None)),
]
SURVIVED = [
    (f"delay:{DELTA}", {"after_done"}),
    ("delay:response.created", {"unknown_response", "unknown_item", "created_twice"}),
    ("drop:response.created", {"unknown_response"}),
    ("drop:rate_limits.updated", set()),
    ("duplicate:response.created", {"created_twice", "duplicate"}),
    ("duplicate:response.done", {"duplicate", "after_done"}),
    (f"duplicate:{DELTA}", {"duplicate"}),
    ("corrupt:rate_limits.updated", {"bad_field", "missing_field", "unknown_event"}),
    ("corrupt:response.done", {"bad_field", "missing_field"}),
    ("fragment:*", set()),
    ("slow-read:300ms", set()),
    ("no-transcript", set()),
]
LOSSES = [f"drop:{DELTA}", f"cut:{DELTA}", f"corrupt:{DELTA}"]
OVERSIZE, TEXT_ONLY, STALE = f"oversize:{DELTA}", "text-only", "stale"


def test_every_fault_that_the_simulator_has_is_met_here():
    met = {
        *(fault for fault, _ in (*NO_SESSION, *FAILURES, *SURVIVED)),
        *(f"{name}:{code}" for name in ("hang-up", "disconnect") for code in CLOSES),
        *(*LOSSES, OVERSIZE, TEXT_ONLY, STALE),
    }

    assert {fault.partition(":")[0] for fault in met} == set(FAULTS)
    for kind in FAULTS.values():
        if kind.details[:1] not in ((EVENT,), (TIME,)):
            assert {f"{kind.name}:{detail}" for detail in kind.details} <= met


@pytest.mark.parametrize(("fault", "ending"), NO_SESSION)
def test_a_session_that_does_not_come_about(fault, ending):
    crowd = Crowd(f"{fault}=25%")

    struck = crowd.totals["faults"][fault]
    assert 0 < struck < CALLERS
    assert crowd.endings == {ending: struck, ENDED: CALLERS - struck}
    assert len(crowd.turns) == TURNS * (CALLERS - struck)
    assert in_order(crowd.turns)


@pytest.mark.parametrize("code", CLOSES)
def test_a_connection_that_ends_whatever_goes_on(code):
    # By this seed nobody is hung up on within three seconds, in which sessions come about on a
    # busy machine, too, and six callers are in the fourth, in which nobody is done yet.
    crowd = Crowd(f"hang-up:{code}=80%", "--seed", "4425", turns=12)

    lost = (SessionOutcome.DISCONNECTED, None, f"close_{code}")
    struck = crowd.totals["faults"].get(f"hang-up:{code}", 0)
    assert struck > 0
    # One that is struck while it hangs up has ended all the same.
    assert crowd.endings[lost] <= struck
    assert crowd.endings[lost] + crowd.endings[ENDED] == CALLERS
    cut = [turn for turn in crowd.turns if turn.outcome is Outcome.DISCONNECTED]
    assert {turn.code for turn in cut} <= {f"close_{code}"}
    assert in_order([turn for turn in crowd.turns if turn not in cut])


@pytest.mark.parametrize("code", CLOSES)
def test_a_connection_that_ends_in_an_answer(code):
    crowd = Crowd(f"disconnect:{code}=25%")
    struck, others = crowd.struck

    assert len(struck) == crowd.totals["faults"][f"disconnect:{code}"] > 0
    assert {(turn.outcome, turn.phase, turn.code) for turn in struck} == {
        (Outcome.DISCONNECTED, None, f"close_{code}")
    }
    lost = (SessionOutcome.DISCONNECTED, None, f"close_{code}")
    assert crowd.endings == {lost: len(struck), ENDED: CALLERS - len(struck)}
    assert in_order(others)


@pytest.mark.parametrize(("fault", "landing"), FAILURES)
def test_a_turn_that_fails_and_a_call_that_goes_on(fault, landing):
    crowd = Crowd(f"{fault}=25%")
    struck, others = crowd.struck

    assert len(struck) == crowd.totals["faults"][fault] > 0
    assert {(turn.outcome, turn.phase, turn.code) for turn in struck} == {landing}
    assert crowd.endings == {ENDED: CALLERS}
    assert len(crowd.turns) == CALLERS * TURNS
    assert in_order(others)


@pytest.mark.parametrize(("fault", "deviations"), SURVIVED)
def test_what_a_call_survives(fault, deviations):
    crowd = Crowd(f"{fault}=50%", transcription="whisper-1")

    assert crowd.totals["faults"][fault] > 0
    assert {turn.outcome for turn in crowd.turns} == {Outcome.COMPLETED}
    assert len(crowd.turns) == CALLERS * TURNS
    assert crowd.endings == {ENDED: CALLERS}
    assert bool(crowd.deviations) is bool(deviations)
    assert set(crowd.deviations) <= deviations


@pytest.mark.parametrize("fault", LOSSES)
def test_audio_that_is_lost(fault):
    crowd = Crowd(f"{fault}=20%", "--answer", "1s")
    struck, others = crowd.struck

    assert {turn.outcome for turn in crowd.turns} == {Outcome.COMPLETED}
    assert all(turn.audio_received_s < 0.95 for turn in struck)
    assert all(turn.audio_received_s == pytest.approx(1.0) for turn in others)
    assert crowd.endings == {ENDED: CALLERS}
    assert bool(crowd.deviations) is not fault.startswith("drop")


def test_a_message_too_long_to_be_true():
    crowd = Crowd(f"{OVERSIZE}=4%")
    struck, others = crowd.struck

    assert len(struck) == crowd.totals["faults"][OVERSIZE] > 0
    assert {(turn.outcome, turn.code) for turn in struck} == {
        (Outcome.PROTOCOL_ERROR, "close_1009")
    }
    refused = (SessionOutcome.PROTOCOL_ERROR, None, "close_1009")
    assert crowd.endings == {refused: len(struck), ENDED: CALLERS - len(struck)}
    assert in_order(others)


def test_an_answer_in_text():
    crowd = Crowd(f"{TEXT_ONLY}=25%")
    struck, others = crowd.struck

    assert len(struck) == crowd.totals["faults"][TEXT_ONLY] > 0
    for turn in struck:
        assert turn.outcome is Outcome.COMPLETED
        assert Flag.TEXT_ONLY in turn.flags
        assert turn.unanswered
        assert turn.metrics["ttft"] is not None
    assert in_order(others)


def test_audio_of_an_answer_that_was_talked_over():
    crowd = Crowd(f"{STALE}=50%", "--answer", "3s", "--speed", "2", listen=0.2)
    struck = {line["session_id"] for line in crowd.truth if line["faults"]}

    assert {turn.outcome for turn in crowd.turns} == {Outcome.CANCELLED, Outcome.COMPLETED}
    assert crowd.endings == {ENDED: CALLERS}
    for caller in crowd.callers:
        first, second = caller.turns
        assert first.outcome is Outcome.CANCELLED
        assert second.audio_received_s == pytest.approx(3.0)
        if caller.ended.session not in struck:
            assert caller.ended.stale_audio_s < 1.5  # the others get over two seconds of it


@pytest.mark.parametrize("profile", shipped_profiles())
def test_a_crowd_outlives_every_shipped_profile(profile):
    crowd = Crowd("hold=0", "--profile", profile, turns=4, barge_in_rate="0.3")

    assert Outcome.INTERNAL not in {turn.outcome for turn in crowd.turns}
    assert SessionOutcome.INTERNAL not in {caller.ended.outcome for caller in crowd.callers}
    assert {caller.ended.event for caller in crowd.callers} == {"end"}
    if profile in ("healthy", "slow", "saturating"):
        assert crowd.endings == {ENDED: CALLERS}
        assert {turn.outcome for turn in crowd.turns} <= {Outcome.COMPLETED, Outcome.CANCELLED}
    else:
        assert crowd.totals["faults"]
