import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from rundirs import second, session, write_run

from harness.records import SessionOutcome
from harness.report.concurrency import open_at, open_sessions
from harness.report.load import load_run


def steps(tmp_path, lines, **more):
    run = load_run(write_run(tmp_path, sessions=lines, **more))
    return list(open_sessions(run).itertuples(index=False, name=None))


def test_sessions_are_counted_from_their_start_to_their_end(tmp_path):
    lines = [*session(0, 10, caller=1), *session(2, 5, caller=2), *session(4, 6, caller=3)]

    assert steps(tmp_path, lines) == [(0, 1), (2, 2), (4, 3), (5, 2), (6, 1), (10, 0)]


def test_one_that_starts_when_another_ends_is_not_beside_it(tmp_path):
    assert steps(tmp_path, [*session(0, 5, call=1), *session(5, 8, call=2)]) == [
        (0, 1),
        (5, 1),
        (8, 0),
    ]


def test_a_refused_session_never_was_open(tmp_path):
    refused = session(1, 2, caller=2, outcome=SessionOutcome.REFUSED, steps={"tcp": 0.01})

    assert steps(tmp_path, [*session(0, 5, caller=1), *refused]) == [(0, 1), (5, 0)]


def test_a_session_whose_end_was_lost_is_open_until_the_last_its_worker_recorded(tmp_path):
    killed = [*session(0, 9, worker="a")[:1], *session(2, 4, worker="b")]
    health = [second(t, worker=worker) for worker, t in (("a", 2.0), ("a", 3.0), ("b", 9.0))]
    run = {"health": health, "workers": ["a", "b"]}

    assert steps(tmp_path, killed, **run) == [(0, 1), (2, 2), (3, 1), (4, 0)]


def test_a_session_of_which_nothing_but_its_start_is_recorded_was_open_for_an_instant(tmp_path):
    assert steps(tmp_path, session(0, 3)[:1]) == [(0, 0)]


def test_workers_are_laid_on_one_axis(tmp_path):
    lines = [*session(0, 4, worker="a"), *session(1, 3, worker="b")]
    run = load_run(write_run(tmp_path, sessions=lines, workers=["a", "b"]))

    assert open_sessions(run)["sessions"].max() == 2


def test_without_sessions_none_are_open(tmp_path):
    run = load_run(write_run(tmp_path))

    assert open_sessions(run).empty
    assert open_at(open_sessions(run), np.array([0.0, 5.0])).tolist() == [0, 0]


@settings(max_examples=30)  # each a run on disk
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), min_size=1, max_size=30))
def test_the_count_at_any_instant_is_the_number_of_spans_that_hold_it(tmp_path_factory, spans):
    lines = [
        line
        for caller, (start, length) in enumerate(spans)
        for line in session(start, start + length, caller=caller)
    ]
    run = load_run(write_run(tmp_path_factory.mktemp("run"), sessions=lines))
    first = min(start for start, _ in spans)
    instants = np.arange(0, 75) + 0.5

    counts = open_at(open_sessions(run), instants)

    assert counts.tolist() == [
        sum(start <= t + first < start + length for start, length in spans) for t in instants
    ]
