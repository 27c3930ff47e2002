import pytest

from harness.swarm.silence import LOOK, MASTER_SILENT, Finding, Watch

FROZEN, LOST = Finding.FROZEN, Finding.MASTER_LOST


def found(*looks, heard=(), deaf=()):
    """When a worker that looks at these seconds finds something, and what."""
    watch, left, findings = Watch(0.0), sorted(heard), []
    for now in looks:
        while left and left[0] <= now:
            watch.heard(left.pop(0))
        if (finding := watch.look(now, deaf=now in deaf)) is not Finding.NOTHING:
            findings.append((now, finding))
    return findings


def looks(begin, end):
    return [begin + n * LOOK for n in range(1, round((end - begin) / LOOK) + 1)]


@pytest.mark.parametrize(
    ("frozen", "findings"),
    [
        (0.0, []),
        (2.5, []),
        (5.75, []),
        (6.0, [(16.0, FROZEN)]),
        (76.0, [(86.0, FROZEN)]),
    ],
)
def test_a_worker_that_did_not_run_until_others_may_have_its_users_finds_it_as_it_goes_on(
    frozen, findings
):
    before, after = looks(0, 10), [10 + frozen, *looks(10 + frozen, 20 + frozen)]
    heard = [second for second in range(100) if not 10 < second < 10 + frozen]

    assert found(*before, *after, heard=heard) == findings


def test_a_master_that_falls_silent_is_lost_six_seconds_later():
    assert found(*looks(0, 11), heard=range(6))[0] == (5 + MASTER_SILENT, LOST)


def test_one_that_was_frozen_gives_its_master_as_long_to_answer():
    assert found(*looks(0, 2), *looks(75, 82), heard=[1]) == [
        (75 + LOOK, FROZEN),
        *((at, LOST) for at in looks(75, 82) if at >= 75 + LOOK + MASTER_SILENT),
    ]


def test_while_nobody_listens_to_the_master_it_is_not_silent():
    assert found(*looks(0, 20), deaf=looks(0, 20)) == []
