import pytest
from rundirs import ANCHOR, answered, second, session, write_run

from harness.records import Flag
from harness.report.load import load_run
from harness.report.trust import run_facts, slice_verdicts, worker_health
from harness.verdict import Level, reach_verdict


def load(path, turns=(), sessions=(), health=(), **more):
    return load_run(write_run(path, turns, sessions, health, **more))


def suspect(start, **more):
    return answered(start, flags=[Flag.SUSPECT], **more)


def test_a_run_that_kept_time_is_valid(tmp_path):
    run = load(
        tmp_path,
        [answered(1.0)],
        session(turns=1),
        [second(1.0, audio_due_s=1.0, audio_sent_s=1.0), second(2.0)],
    )

    facts = run_facts(run)

    assert (facts.turns, facts.suspect_turns, facts.lost_turns) == (1, 0, 0)
    assert facts.frame_lateness.count == 100
    assert facts.frame_lateness.max == 0.0005
    assert (facts.audio_due_s, facts.audio_sent_s) == (1.0, 1.0)
    assert reach_verdict(facts).level is Level.VALID


def test_lags_of_all_workers_and_seconds_add_up(tmp_path):
    health = [second(t, worker=w, late=late) for t, w, late in
              [(1, "a", 0.001), (2, "a", 0.001), (1, "b", 0.03)]]  # fmt: skip

    facts = run_facts(load(tmp_path, health=health, workers=["a", "b"]))

    assert facts.frame_lateness.count == 150
    assert facts.frame_lateness.quantile(0.5) == 0.001
    assert facts.frame_lateness.quantile(0.99) == 0.03


def test_without_health_the_audio_sent_is_that_of_the_sessions(tmp_path):
    facts = run_facts(load(tmp_path, sessions=session()))

    assert (facts.audio_due_s, facts.audio_sent_s) == (2.0, 2.0)


@pytest.mark.parametrize(
    ("said", "recorded", "meta", "damage", "lost"),
    [
        (3, 3, {}, b"", 0),
        (3, 1, {}, b"", 2),
        (3, 1, {"lost_workers": ["local"]}, b"", 0),
        (3, 2, {}, b'{"half', 0),
        (1, 3, {}, b"", 0),
    ],
)
def test_turns_that_a_session_counted_but_no_line_holds_are_lost(
    tmp_path, monkeypatch, said, recorded, meta, damage, lost
):
    monkeypatch.setattr("harness.report.trust.PART_TURNS", 2)
    turns = [answered(n, turn=n) for n in range(recorded)]
    path = write_run(tmp_path, turns, session(turns=said), meta=meta)
    with (path / "turns.jsonl").open("ab") as file:
        file.write(damage)

    assert run_facts(load_run(path)).lost_turns == lost


def test_seconds_with_more_users_than_asked_for_are_counted(tmp_path):
    counts = [(1, "a", 5), (1, "b", 5), (2, "a", 6), (2, "b", 5), (3, "a", 6), (3, "b", 6)]
    health = [second(t, worker=w, users=u) for t, w, u in counts]

    run = load(tmp_path, health=health, workers=["a", "b"], meta={"users_max": 10})

    assert run_facts(run).over_target_s == 2.0


@pytest.mark.parametrize(("seen", "over"), [(4.0, 4.0), (None, 0.0), ("a while", 0.0)])
def test_time_over_a_smaller_target_is_what_was_seen_while_it_ran(tmp_path, seen, over):
    meta = {"users_max": 10, "over_target_s": seen}

    run = load(tmp_path, health=[second(1, users=5)], workers=["local"], meta=meta)

    assert run_facts(run).over_target_s == over


def test_a_worker_without_anchor_or_health_is_counted(tmp_path):
    turns = [answered(worker="a"), answered(worker="b")]

    facts = run_facts(load(tmp_path, turns, health=[second(worker="a")], workers=["a"]))

    assert facts.unanchored_workers == 1
    assert facts.unwatched_workers == 1
    assert reach_verdict(facts).level is Level.INVALID


@pytest.mark.parametrize(
    ("host", "anchor", "uncompared"),
    [
        ("here", ANCHOR, 0),  # one clock
        ("there", ANCHOR | {"offset_ns": 0, "bound_ns": 400_000}, 0),
        ("there", ANCHOR, 1),
        (None, ANCHOR, 0),  # a run that says nothing of hosts
        (3, ANCHOR, 0),  # nonsense
        ("there", None, 0),  # not placed at all, as another rule says
    ],
)
def test_a_clock_of_another_host_that_was_never_compared_makes_suspect(
    tmp_path, host, anchor, uncompared
):
    anchors = {"a": ANCHOR} | ({"b": anchor} if anchor else {})
    meta = {"anchors": anchors, "machine": {"host": "here"}}
    if host is not None:
        hosts = {"a": "here", "b": host, "silent": "there"}
        meta["workers"] = [{"worker": w, "host": h, "pid": 1} for w, h in hosts.items()]
    health = [second(worker="a"), second(worker="b")]

    run = load(tmp_path, [answered(worker="a"), answered(worker="b")], health=health, meta=meta)

    assert run_facts(run).uncompared_workers == uncompared
    assert worker_health(run)[1]["verdict"] == (
        "INVALID" if anchor is None else "SUSPECT" if uncompared else "VALID"
    )


def test_a_worker_is_judged_by_its_own_facts(tmp_path):
    turns = [answered(worker="a"), suspect(1.0, worker="b")]
    late = {"late": 0.3, "frames": 500, "stalls": 2, "longest_stall_s": 0.4}
    used = [{"queued_bytes": 7000, "descriptors": 90}, {"queued_bytes": 20, "descriptors": 95}]
    health = [second(worker="a"), *(second(worker="b", **late, **more) for more in used)]

    good, bad = worker_health(load(tmp_path, turns, health=health, workers=["a", "b"]))

    assert (good["worker"], good["verdict"], good["suspect"]) == ("a", "VALID", 0)
    assert (bad["worker"], bad["verdict"], bad["suspect"]) == ("b", "INVALID", 1)
    assert bad["frame_lateness_p99"] == 0.3
    assert good["frame_lateness_p99"] is None  # of fifty frames nobody knows
    assert (bad["stalls"], bad["longest_stall_s"]) == (4, 0.4)
    assert (bad["queued_max_bytes"], bad["descriptors_max"]) == (7000, 95)
    assert bad["cpu_mean"] == pytest.approx(0.2)


def test_slices_of_ten_seconds_that_are_not_valid_are_named(tmp_path):
    turns = [answered(t) for t in range(30)] + [suspect(12.0)]
    health = [second(t, late=0.5 if t == 25 else 0.001) for t in range(1, 30)]

    slices = slice_verdicts(load(tmp_path, turns, health=health))

    assert [(s["from_s"], s["verdict"]) for s in slices] == [(10.0, "SUSPECT"), (20.0, "INVALID")]
    assert slices[0]["reasons"] == ["the generator was late during 9.1% of turns, over 1%"]


def test_a_worker_names_who_blocked_it_for_longest(tmp_path):
    health = [
        second(1, longest_stall_s=0.2, culprit="app/user.py:3 a", starved_s=0.1, gc_s=0.01),
        second(2, longest_stall_s=0.7, culprit="app/user.py:9 b", starved_s=0.2),
        second(3, longest_stall_s=0.9),
    ]

    (row,) = worker_health(load(tmp_path, [answered(0.3)], health=health))

    assert row["culprit"] == "app/user.py:9 b"
    assert (row["starved_s"], row["gc_s"]) == (pytest.approx(0.3), 0.01)


def test_the_processor_of_a_worker_is_told_by_whole_seconds(tmp_path):
    health = [second(1), second(2), second(2.01, interval_s=0.01)]
    for line, cpu in zip(health, (0.2, 0.4, 1.0), strict=True):
        line.cpu = cpu

    (row,) = worker_health(load(tmp_path, [answered(0.3)], health=health))

    assert row["cpu_max"] == 0.4
    assert row["cpu_mean"] == pytest.approx((0.2 + 0.4 + 0.01) / 2.01)


def test_a_second_belongs_to_the_slice_in_which_most_of_it_lies(tmp_path):
    health = [second(t + 0.1, late=0.5 if t == 10 else 0.001) for t in range(1, 30)]

    slices = slice_verdicts(load(tmp_path, [answered(0)], health=health))

    assert [(s["from_s"], s["verdict"]) for s in slices] == [(0.0, "INVALID")]
