import pytest

from harness.failing import too_late, unreached
from harness.handshake import Handshake
from harness.records import Phase, SessionOutcome
from harness.transport import ConnectError, Refused

REFUSED, TIMEOUT = SessionOutcome.REFUSED, SessionOutcome.TIMEOUT


@pytest.mark.parametrize(
    ("error", "recorded"),
    [
        (ConnectError("no such host", step="dns"), (REFUSED, "dns", None)),
        (ConnectError("too long", step="tls", timed_out=True), (TIMEOUT, "tls", Phase.CONNECT)),
        (Refused("go away", Handshake(401, {})), (REFUSED, "http_401", None)),
    ],
)
def test_what_is_recorded_of_a_session_that_was_not_reached(error, recorded):
    failure = unreached(error)

    assert (failure.outcome, failure.code, failure.phase) == recorded
    assert str(failure) == str(error)


def test_a_session_that_is_not_configured_in_time_names_what_did_not_come():
    failure = too_late("session.updated", 2.5)

    assert (failure.outcome, failure.phase) == (TIMEOUT, Phase.SESSION)
    assert failure.code == "session.updated"
    assert str(failure) == "no session.updated within 2.5 s of the upgrade"
