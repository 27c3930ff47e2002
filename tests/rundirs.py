"""Run directories made up for tests: records of known truth, written as a run writes them."""

import json
import random
from pathlib import Path

from harness.metrics import measure
from harness.records import (
    Flag,
    Health,
    Kind,
    Outcome,
    Phase,
    Session,
    SessionOutcome,
    ToolCall,
    Turn,
    encode,
)

MS = 1_000_000
S = 1_000_000_000
MONOTONIC, EPOCH = 5_000 * S, 1_790_000_000 * S
ANCHOR = {"monotonic_ns": MONOTONIC, "time_ns": EPOCH}


def at(seconds):
    """``seconds`` after the run began, as the monotonic clock of a worker says it."""
    return MONOTONIC + round(seconds * S)


def answered(start=0.0, ttfa=0.3, *, outcome=Outcome.COMPLETED, marks=None, **more):
    """A spoken turn that got its answer ``ttfa`` seconds after two seconds of speech."""
    end = start + 2.0
    names = {
        "speech_end": end,
        "commit": end + 0.001,
        "detected": end + 0.001,
        "created": end + ttfa / 2,
        "first_text": end + ttfa * 0.9,
        "first_audio": end + ttfa,
        "first_audible": end + ttfa + 0.1,
        "last_delta": end + ttfa + 1.0,
        "done": end + ttfa + 1.0,
        "playback_end": end + ttfa + 2.1,
    } | (marks or {})
    turn = Turn(
        outcome=outcome,
        due_at=at(start),
        written_at=at(start + 0.02),
        marks={name: None if t is None else at(t) for name, t in names.items()},
        segments={
            "detect": 0.001,
            "create": ttfa / 2 - 0.001,
            "generate": ttfa / 2,
            "audible": 0.1,
        },
        limits_s=10.0,
        answer_limits_s=10.0,
        audio_sent_s=2.0,
        audio_received_s=2.0,
        receiving_s=1.0,
        audio_heard_s=2.0,
        **more,
    )
    measure(turn)
    return turn


def silent(start=0.0, *, outcome=Outcome.TIMEOUT, phase=Phase.FIRST_AUDIO, limit=10.0, **more):
    """A spoken turn that never got any audio."""
    end = start + 2.0
    turn = Turn(
        outcome=outcome,
        phase=phase if outcome is Outcome.TIMEOUT else None,
        due_at=at(start),
        written_at=at(start + 0.02),
        marks={"speech_end": at(end), "commit": at(end + 0.001), "detected": at(end + 0.001)},
        limits_s=limit,
        answer_limits_s=10.0,
        audio_sent_s=2.0,
        **more,
    )
    measure(turn)
    return turn


def session(start=0.0, end=10.0, *, caller=0, call=0, worker="local", **more):
    """The two lines of one session."""
    common = {"worker": worker, "caller": caller, "call": call, "started_at": at(start)}
    steps = {"dns": 0.0, "tcp": 0.0004, "upgrade": 0.002, "created": 0.003, "updated": 0.004}
    more = {"outcome": SessionOutcome.ENDED, "close_code": 1000, "steps": steps} | more
    return [
        Session(event="start", at=at(start), **common),
        Session(event="end", at=at(end), audio_due_s=2.0, audio_sent_s=2.0, **common, **more),
    ]


def second(t=1.0, *, worker="local", late=0.0005, frames=50, **more):
    """A line of health in which every frame was ``late`` seconds late."""
    line = Health(worker=worker, at=at(t), cpu=0.2, rss_bytes=120 << 20, **more)
    for _ in range(frames):
        line.frame_lateness.add(late)
        line.hub_lag.add(0.0003)
        line.read_lag.add(0.0002)
    return line


def write_run(path, turns=(), sessions=(), health=(), *, meta=None, workers=("local",)):
    """
    A run directory; ``None`` for a file leaves it out.

    ``meta`` is merged into ``run.json``.
    """
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    files = {"turns.jsonl": turns, "sessions.jsonl": sessions, "health.jsonl": health}
    for name, records in files.items():
        if records is not None:
            path.joinpath(name).write_bytes(b"".join(map(encode, records)))
    raw = {
        "schema": 1,
        "run": path.name,
        "target": "ws://127.0.0.1:8765",
        "anchors": dict.fromkeys(workers, ANCHOR),
        "options": {"model": "gpt-realtime-2.1-mini", "turn_detection": "none"},
        "versions": {"realtime-harness": "0.1.0", "python": "3.11"},
    } | (meta or {})
    path.joinpath("run.json").write_text(json.dumps(raw))
    return path


def crowd(path, callers=24, seconds=100.0, *, seed=1, late_share=0.004, meta=None):
    """A run that looks like a real one: callers who come, talk for four turns and call again."""
    rng = random.Random(seed)
    turns, sessions, workers = [], [], ("worker-0", "worker-1")
    for caller in range(callers):
        start, call = caller * 0.4, 0
        while start < seconds - 5:
            call += 1
            spoken, end = _call(rng, start, seconds, caller, call, late_share)
            turns += spoken
            sessions += session(
                start,
                end,
                caller=caller,
                call=call,
                worker=workers[caller % 2],
                turns=len(spoken),
                deviations={"second_answer": 1} if rng.random() < 0.02 else {},
                errors={"input_audio_buffer_commit_empty": 1} if rng.random() < 0.02 else {},
            )
            start = end + rng.uniform(1, 3)
    health = [
        second(t, worker=worker, late=rng.choice((0.0004, 0.0009, 0.0016)), users=callers // 2)
        for t in range(1, int(seconds) + 1)
        for worker in workers
    ]
    return write_run(path, turns, sessions, health, workers=workers, meta=meta)


def _call(rng, start, seconds, caller, call, late_share):
    """The turns of one call and when it ended."""
    turns, now = [], start + 0.2
    for number in range(4):
        if now > seconds - 5:
            break
        load = 1 + 0.8 * max(0.0, (now - 55) / 45)
        common = {"caller": caller, "call": call, "turn": number, "worker": f"worker-{caller % 2}",
                  "session": f"sess_{caller}_{call}", "scenario": "Caller.talk",
                  "session_age_s": now - start}  # fmt: skip
        chance = rng.random()
        if chance < 0.02:
            turns.append(silent(now, **common))
            now += 13
        elif chance < 0.03:
            turns.append(silent(now, outcome=Outcome.RATE_LIMITED, code="rate_limit_exceeded",
                                **common))  # fmt: skip
            now += 4
        else:
            if rng.random() < late_share:
                common["flags"] = [Flag.SUSPECT]
            if rng.random() < 0.1:
                common["gaps"] = [rng.uniform(0.02, 0.4)]
            if rng.random() < 0.1:
                common |= {"outcome": Outcome.CANCELLED, "flags": [Flag.INTERRUPTED]}
            if rng.random() < 0.15:
                common["tools"] = [ToolCall(name="book_table", call_id="c", called_at=at(now + 2.1),
                                            answered_at=at(now + 2.15), outcome="ok")]  # fmt: skip
                tool = {"call": now + 2.1, "tool_output": now + 2.15, "answer_audio": now + 3.2}
                common["marks"] = tool
            turns.append(answered(now, rng.lognormvariate(-1.2, 0.3) * load, **common))
            now += 5.5 + rng.uniform(0, 1)
    return turns, now + 0.1


__all__ = [
    "ANCHOR",
    "Kind",
    "answered",
    "at",
    "crowd",
    "second",
    "session",
    "silent",
    "write_run",
]
