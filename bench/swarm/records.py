"""The records of a made-up worker: turns, sessions and seconds of health as real ones are."""

from collections.abc import Iterator
from random import Random

from harness.metrics import measure
from harness.records import Health, Outcome, Phase, Session, SessionOutcome, Turn

__all__ = ["CALL_TURNS", "TURN_EVERY", "health", "sessions", "turns"]

TURN_EVERY = 8.0
"""Seconds from turn to turn of a session."""

CALL_TURNS = 5
MS = 1_000_000
USAGE = {
    "total_tokens": 421,
    "input_tokens": 233,
    "output_tokens": 188,
    "input_token_details": {"cached_tokens": 128, "text_tokens": 119, "audio_tokens": 114},
    "output_token_details": {"text_tokens": 41, "audio_tokens": 147},
}
TRANSCRIPT = "Of course. A table for two tonight at eight, I have put it under your name. See you!"
WHOSE = {"model": "gpt-realtime", "target": "ws://127.0.0.1:9"}


def turns(n: int, *, run: str, worker: str, random: Random, scenarios: int = 1) -> Iterator[Turn]:
    """``n`` finished turns: one in a hundred has timed out, the others were answered."""
    for number in range(n):
        call, ordinal = divmod(number, CALL_TURNS)
        turn = Turn(
            run=run,
            worker=worker,
            caller=call,
            call=1,
            session=f"sess_{random.getrandbits(80):020x}",
            turn=ordinal,
            scenario=_scenario(call, scenarios),
            **WHOSE,
            said="table-for-two",
            response_ids=[f"resp_{random.getrandbits(80):020x}"],
            item_ids=[f"item_{random.getrandbits(80):020x}" for _ in range(2)],
            due_at=number * 42_000_000,
            written_at=number * 42_000_000,
            limits_s=22.0,
            answer_limits_s=10.0,
            audio_sent_s=2.9,
            session_age_s=ordinal * TURN_EVERY,
            worker_concurrency=500,
        )
        if random.random() < 0.01:
            _time_out(turn)
        else:
            _answer(turn, random)
        measure(turn)
        yield turn


def _answer(turn: Turn, random: Random) -> None:
    spoken = turn.due_at + 2_840 * MS
    created = spoken + round(random.lognormvariate(3.4, 0.3) * MS)
    audio = created + round(random.lognormvariate(5.7, 0.35) * MS)
    length = round(random.uniform(2_000, 4_500) * MS)
    turn.outcome = Outcome.COMPLETED
    turn.marks = {
        **_asked(spoken),
        "created": created,
        "first_text": audio - 9 * MS,
        "first_audio": audio,
        "first_audible": audio + 180 * MS,
        "last_delta": audio + length - 300 * MS,
        "done": audio + length - 290 * MS,
        "playback_end": audio + length,
    }
    turn.segments = {
        "detect": 0.0,
        "create": (created - spoken) / 1e9,
        "generate": (audio - created) / 1e9,
        "audible": 0.18,
    }
    turn.audio_received_s = turn.audio_heard_s = length / 1e9
    turn.transcript, turn.usage, turn.cost_usd = TRANSCRIPT, USAGE, 0.0134


def _time_out(turn: Turn) -> None:
    turn.marks = _asked(turn.due_at + 2_840 * MS)
    turn.outcome, turn.phase = Outcome.TIMEOUT, Phase.FIRST_AUDIO


def _asked(spoken: int) -> dict[str, int | None]:
    return {"speech_end": spoken, "commit": spoken, "request": spoken, "detected": spoken}


def _scenario(caller: int, scenarios: int) -> str:
    return f"Caller.task_{caller % scenarios}"


def sessions(
    n: int, *, run: str, worker: str, random: Random, scenarios: int = 1
) -> Iterator[Session]:
    """``n`` sessions, each with the line of its start and that of its end."""
    for number in range(n):
        whose = {
            "run": run,
            "worker": worker,
            "caller": number,
            "call": 1,
            "scenario": _scenario(number, scenarios),
            **WHOSE,
        }
        began = number * 80 * MS
        yield Session(event="start", at=began, started_at=began, **whose)
        yield Session(
            event="end",
            at=began + round(CALL_TURNS * TURN_EVERY * 1e9),
            started_at=began,
            session=f"sess_{random.getrandbits(80):020x}",
            steps={
                "dns": 0.002,
                "tcp": 0.0007,
                "tls": 0.011,
                "upgrade": random.uniform(0.01, 0.06),
                "created": 0.004,
                "updated": random.uniform(0.01, 0.03),
            },
            outcome=SessionOutcome.ENDED,
            close_code=1000,
            turns=CALL_TURNS,
            responses=CALL_TURNS,
            messages_sent=760,
            messages_received=402,
            bytes_sent=1_300_000,
            bytes_received=1_100_000,
            audio_due_s=14.5,
            audio_sent_s=14.5,
            audio_received_s=16.0,
            usage=USAGE,
            cost_usd=0.067,
            **whose,
        )


def health(seconds: int, *, run: str, worker: str, random: Random) -> Iterator[Health]:
    """``seconds`` seconds of a worker that keeps time with 500 sessions."""
    for second in range(seconds):
        line = Health(run=run, worker=worker, at=second * 1_000_000_000, users=500, sessions=500)
        for lags, n in ((line.frame_lateness, 9000), (line.hub_lag, 100), (line.read_lag, 6000)):
            for _ in range(40):
                lags.add(random.lognormvariate(-8.2, 0.8))
            lags.buckets = [count * (n // 40) for count in lags.buckets]
            lags.count, lags.sum = lags.count * (n // 40), lags.sum * (n // 40)
        line.cpu, line.rss_bytes, line.descriptors = 0.61, 190_000_000, 520
        line.audio_due_s = line.audio_sent_s = 181.0
        line.turns = 62
        yield line
