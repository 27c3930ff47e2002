"""A small crowd in this process, its health watched, held against the simulator's truth."""

import random
import time
from contextlib import suppress
from dataclasses import dataclass, field

import gevent
from loop import join

from harness.call import Call, CallEnded
from harness.corpus import load_corpus
from harness.health import HealthMonitor
from harness.options import parse_workload
from harness.realtime.endpoint import parse_endpoint
from harness.records import Flag, Health, Identity, LagHistogram, Session, Turn
from harness.verdict import RULES, Facts, reach_verdict

__all__ = ["Observed", "observe"]

TURNS = 3  # of each caller, at least


@dataclass
class Observed:
    """What a crowd left behind, and what the simulator says of it."""

    turns: list[Turn] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    health: list[Health] = field(default_factory=list)
    truth: dict[str, dict] = field(default_factory=dict)

    def merged(self, name: str) -> LagHistogram:
        whole = LagHistogram()
        for second in self.health:
            whole.merge(getattr(second, name))
        return whole

    @property
    def facts(self) -> Facts:
        return Facts(
            turns=len(self.turns),
            suspect_turns=sum(Flag.SUSPECT in turn.flags for turn in self.turns),
            frame_lateness=self.merged("frame_lateness"),
            read_lag=self.merged("read_lag"),
            audio_due_s=sum(second.audio_due_s for second in self.health),
            audio_sent_s=sum(second.audio_sent_s for second in self.health),
        )

    @property
    def level(self):
        return reach_verdict(self.facts).level

    @property
    def struck(self) -> set[str]:
        """The names of the rules that struck."""
        return {rule.name for rule in RULES if rule.reason(self.facts)}

    def answered(self):
        """(turn, ns by which its first audio is marked later than it was sent) of answered ones."""
        for turn in self.turns:
            if (at := turn.marks.get("first_audio")) is not None:
                yield turn, at - self.truth[turn.response_ids[0]]["first_out"]

    @property
    def late_speech(self) -> list[int]:
        """Of each turn, ns by which the caller finished later than speech of that length does."""
        corpus, late = {u.name: u for u in load_corpus().utterances}, []
        for turn in self.turns:
            if (end := turn.marks.get("speech_end")) is not None:
                began = turn.due_at - 20_000_000
                speech = load_corpus().speech(corpus[turn.said], self.format, 20)
                late.append(end - began - speech.voice_end_ns)
        return late

    format = parse_workload({}).audio_format


def observe(simulator, *, callers=6, seconds=2.0, during=lambda: None, **options) -> Observed:
    """
    Let a crowd talk for a while.

    Args:
        simulator: As ``running_simulator`` gives it.
        callers: How many, each one call.
        seconds: After them no turn begins, if there were some of each caller: a busy machine
            makes fewer of them in a time.
        during: Run in a greenlet of its own meanwhile.
        options: Of the workload.

    """
    seen = Observed()
    workload = parse_workload({"pause": "10ms", "listen": "done", **options})
    endpoint, corpus = parse_endpoint(simulator.url, model=workload.model), load_corpus()
    end, enough = time.monotonic() + seconds, TURNS * callers

    def converse(number):
        call = Call(
            endpoint,
            workload,
            corpus=corpus,
            identity=Identity(run="r", caller=number),
            rng=random.Random(number),
            on_turn=seen.turns.append,
            on_session=seen.sessions.append,
            stopping=lambda: time.monotonic() > end and len(seen.turns) >= enough,
        )
        with suppress(CallEnded), call:
            while True:
                call.say("Yes, please.")

    monitor = HealthMonitor(seen.health.append)
    monitor.start()
    meanwhile = gevent.spawn(during)
    callers = [gevent.spawn(converse, number) for number in range(callers)]
    join(callers, 60)
    meanwhile.kill()
    monitor.stop()
    seen.truth = {line["response_id"]: line for line in simulator.truth()}
    return seen
