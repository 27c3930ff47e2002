from types import SimpleNamespace

import pytest
from rundirs import ANCHOR, EPOCH, S, answered, session, silent

from harness.records import encode
from harness.swarm.audience import Audience
from harness.swarm.onlookers import Onlookers
from harness.workload import Workload


def audience(stop=lambda reason: None, shape=None):
    environment = SimpleNamespace(shape_class=shape)
    return Audience(environment, lambda: {"local": ANCHOR}, stop)


def test_objectives_are_shown_as_they_stand():
    judges = audience()
    judges.begin(Workload(slo="turns:failed<2; ttfa:p95<0.8s"))
    judges.onlookers.on_turn(silent())

    assert judges.lines == ["turns:failed<2  met so far (now 1)", "ttfa:p95<0.8s  too few so far"
                            " (100.0% of 1 fall short of it, 5.0% may)"]  # fmt: skip
    assert [(row.what, row.value) for row in judges.rows] == [
        ("turns:failed<2", "met so far"),
        ("ttfa:p95<0.8s", "too few so far"),
    ]


@pytest.mark.parametrize("stops", [True, False])
def test_a_run_ends_once_with_the_first_objective_lost_if_it_is_to(stops):
    reasons = []
    judges = audience(reasons.append)
    judges.begin(Workload(slo="turns:failed<2", slo_stop=stops))
    for _ in range(3):
        judges.onlookers.on_turn(silent())
        judges.look()

    assert reasons == (["turns:failed<2 can no longer be met: now 2"] if stops else [])


def test_another_run_begins_anew():
    judges = audience()
    for _ in range(2):
        judges.begin(Workload(slo="turns:failed<2"))
        judges.onlookers.on_turn(silent())

    assert judges.lines == ["turns:failed<2  met so far (now 1)"]


def test_lines_of_workers_are_told_as_records_of_this_process_are():
    told = []
    onlookers = Onlookers(lambda: {"local": ANCHOR})
    onlookers.add(lambda record, at: told.append((type(record).__name__, at)))
    turn, (start, end) = answered(3.0), session(2.0)

    onlookers.read("turns.jsonl", encode(turn))
    onlookers.read("sessions.jsonl", encode(start) + encode(end))
    onlookers.read("health.jsonl", b"{}")
    onlookers.on_turn(turn)

    begun = EPOCH / S + 3.02
    assert told == [
        ("Turn", pytest.approx(begun)),
        ("Session", pytest.approx(EPOCH / S + 2)),
        ("Turn", pytest.approx(begun)),
    ]


def test_a_clock_that_is_ahead_of_the_masters_is_set_right():
    told, turn = [], answered(3.0)
    anchor = {"monotonic_ns": 0, "time_ns": EPOCH, "offset_ns": 2 * S, "bound_ns": 1}
    onlookers = Onlookers(lambda: {turn.worker: anchor})
    onlookers.add(lambda record, at: told.append(at))

    onlookers.on_turn(turn)

    assert told == [pytest.approx(EPOCH / S - 2 + turn.written_at / S)]


def test_who_has_no_clock_anchor_is_not_told_of():
    told = []
    onlookers = Onlookers(dict)
    onlookers.add(lambda record, at: told.append(record))

    onlookers.on_turn(answered())

    assert told == []


class Search:
    progress = "capacity: trying 5"

    def check(self, slo):
        if "max" in slo:
            raise ValueError("can't be searched by")


def test_a_search_is_shown_and_decides_by_itself():
    reasons = []
    judges = audience(reasons.append, shape=Search())
    judges.begin(Workload(slo="turns:failed<1", slo_stop=True))
    judges.onlookers.on_turn(silent())
    judges.look()

    assert judges.lines == ["capacity: trying 5"]
    assert (list(judges.rows), reasons) == ([], [])
    with pytest.raises(ValueError, match="can't be searched by"):
        judges.check("ttfa:max<2s")
