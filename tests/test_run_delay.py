from loop import keep_busy

from harness.run_delay import RunDelay

MS = 1_000_000


def test_a_run_delay_only_grows_and_is_closed_twice():
    delay = RunDelay()
    before = delay.ns()
    keep_busy(5 * MS)

    assert delay.ns() >= before >= 0
    delay.close()
    delay.close()
    assert delay.ns() == 0
