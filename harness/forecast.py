"""What a load test will send, take and cost, by what its options say. Pure."""

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate

import msgspec

from harness.corpus import Corpus
from harness.cost import load_prices
from harness.money.expected import Talk, turn_usd, usage_of
from harness.stages import Stages
from harness.tools import SimulatedTools
from harness.workload import Workload

__all__ = [
    "ANSWER_S",
    "Assumed",
    "Forecast",
    "Minute",
    "Plateau",
    "Traffic",
    "Usd",
    "forecast",
    "talk_of",
]

ANSWER_S = 6.0
"""Seconds of an answer, as long as nobody knows better: two sentences or three."""

LETTERS = 4  # of a text token
BARGED_S = 0.95  # seconds heard of an answer that a caller talks over
CONNECT_S = 0.5
GENERATION = 4  # times playing speed at which answers come, where nobody hears them out

# Messages and bytes as the simulator, which sends every event of the API, counts them.
FRAME_BYTES = 60  # of a frame's message around its audio
DELTA_S = 0.1
DELTA_BYTES = 250
WORDS = 4  # transcript deltas in a second of answer
EVENTS = 14  # of a response, beside its deltas
EVENT_BYTES = 300
SESSION_EVENTS = 3


class Assumed(msgspec.Struct, frozen=True, kw_only=True):
    """The load, and what nobody knows beforehand; seconds."""

    users: int = 1
    spawn_rate: float = 1.0  # users a second
    run_time_s: float = 60.0
    answer_s: float = ANSWER_S  # of an answer's audio
    ttfa_s: float = 1.0  # until it begins
    wait_s: float = 2.0  # between the calls of a caller
    call_length_s: float | None = None  # None: for the workload's turns
    arrivals: float | None = None  # calls a second, by a schedule; None: callers call again
    stages: Stages | None = None  # None: callers come at spawn_rate and stay


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """What goes one way a second, with all callers there."""

    messages: float
    mbit: float


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one minute of one call."""

    minute: int  # from 1
    input: int  # read: all of the conversation, with each answer
    cached: int  # of it, at most
    output: int


class Plateau(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a run in which the number of callers stays, and what it sends and takes then."""

    from_s: float
    until_s: float
    callers: int
    messages_sent: float  # a second
    messages_received: float  # a second
    tokens_per_minute: float


class Usd(msgspec.Struct, frozen=True, kw_only=True):
    """A cost by how much of the input is cached."""

    most_cached: float
    none_cached: float


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be expected."""

    says_s: float  # of a turn
    turn_s: float  # from beginning to speak until speaking again
    call_s: float
    turns_per_call: int
    at_once: float  # calls, with all callers there
    calls: int
    turns: int
    responses: float
    full_after_s: float  # all callers are there
    sent: Traffic
    received: Traffic
    plateaus: tuple[Plateau, ...]  # of stages
    minutes: tuple[Minute, ...]  # of one call
    tokens_per_minute: float  # of all callers, on average over their calls
    requests_per_minute: float
    context: int  # tokens that the last turn of a call reads
    usd_call: Usd | None  # None: unpriced
    usd: Usd | None


def talk_of(workload: Workload, corpus: Corpus, answer_s: float = ANSWER_S) -> Talk:
    """
    What a turn consists of on average, as far as is known before the first.

    Args:
        workload: What callers do.
        corpus: What they say, each utterance as often as another.
        answer_s: Seconds of an answer.

    """
    said = [utterance.voice_end for utterance in corpus.utterances]
    letters = len(workload.instructions)
    if workload.tool_rate or workload.tool_choice:
        letters += len(msgspec.json.encode(SimulatedTools(workload.tool_latency).schemas))
    return Talk(
        says_s=sum(said) / len(said),
        hears_s=answer_s,
        instructions=letters // LETTERS,
        answers=1 + workload.tool_rate,
    )


class _Course(msgspec.Struct, frozen=True, kw_only=True):
    """How calls go, on average."""

    workload: Workload
    talk: Talk
    turns: int  # of a call, a greeting included
    turn_s: float
    call_s: float
    rate: float  # calls a second with all callers there


def forecast(workload: Workload, corpus: Corpus, assumed: Assumed) -> Forecast:
    """What a run of this workload is expected to be."""
    course = _course(workload, talk_of(workload, corpus, assumed.answer_s), assumed)
    talk, times = course.talk, _times(course, assumed)
    usages = [usage_of(talk, number, cached=True) for number in range(course.turns)]
    read = sum(usage["total_tokens"] for usage in usages)
    sent, received, tokens = _sent(course), _received(course), course.rate * read * 60
    return Forecast(
        says_s=talk.says_s,
        turn_s=course.turn_s,
        call_s=course.call_s,
        turns_per_call=course.turns,
        at_once=course.rate * course.call_s,
        calls=times[0],
        turns=sum(times),
        responses=sum(times) * talk.answers,
        full_after_s=_full_after_s(assumed),
        sent=sent,
        received=received,
        plateaus=tuple(_plateaus(assumed, sent, received, tokens)),
        minutes=tuple(_minutes(course)),
        tokens_per_minute=tokens,
        requests_per_minute=course.rate * course.turns * talk.answers * 60,
        context=round(usages[-1]["input_tokens"] / talk.answers),
        usd_call=_usd(workload, talk, [1.0] * course.turns),
        usd=_usd(workload, talk, times),
    )


def _course(workload: Workload, talk: Talk, assumed: Assumed) -> _Course:
    turn_s = _turn_s(workload, talk, assumed)
    turns = workload.turns + workload.speaks_first
    if assumed.call_length_s is not None:
        turns = max(1, round((assumed.call_length_s - CONNECT_S) / turn_s))
    call_s = CONNECT_S + turns * turn_s
    rate = assumed.users / (call_s + assumed.wait_s)
    if assumed.arrivals is not None:
        rate = min(assumed.arrivals, assumed.users / call_s)
    return _Course(
        workload=workload, talk=talk, turns=turns, turn_s=turn_s, call_s=call_s, rate=rate
    )


def _times(course: _Course, assumed: Assumed) -> list[int]:
    """How often each turn of a call is taken, over the run."""
    if assumed.arrivals is not None:
        return [max(1, round(course.rate * assumed.run_time_s))] * course.turns
    if assumed.stages is not None:
        each = [
            _turns_within(until - since, course, assumed) for since, until in assumed.stages.spans()
        ]
        return [sum(times) for times in zip(*each, strict=True)] or [0] * course.turns
    there = _caller_seconds(assumed) / assumed.users
    return [assumed.users * times for times in _turns_within(there, course, assumed)]


def _turns_within(seconds: float, course: _Course, assumed: Assumed) -> list[int]:
    """How often each turn of a call is taken by a caller who is there for so long."""
    cycle = course.call_s + assumed.wait_s
    whole = math.floor(seconds / cycle)
    # Of the last call, turns that have begun are heard out.
    begun = math.ceil((seconds - whole * cycle) / course.turn_s)
    return [whole + (number < begun) for number in range(course.turns)]


def _full_after_s(assumed: Assumed) -> float:
    """When all callers are there for the first time."""
    if assumed.stages is None:
        return assumed.users / assumed.spawn_rate
    ends = accumulate(stage.seconds for stage in assumed.stages.stages)
    full = zip(ends, assumed.stages.stages, strict=True)
    return next((end for end, stage in full if stage.users == assumed.stages.peak), 0.0)


def _plateaus(
    assumed: Assumed, sent: Traffic, received: Traffic, tokens: float
) -> Iterator[Plateau]:
    """Each level of the stages; what all callers send and take is scaled to it."""
    begin, before = 0.0, 0
    for stage in assumed.stages.stages if assumed.stages else ():
        if stage.users == before and stage.seconds > 0:
            share = stage.users / assumed.users
            yield Plateau(
                from_s=begin,
                until_s=begin + stage.seconds,
                callers=stage.users,
                messages_sent=share * sent.messages,
                messages_received=share * received.messages,
                tokens_per_minute=share * tokens,
            )
        begin += stage.seconds
        before = stage.users


def _turn_s(workload: Workload, talk: Talk, assumed: Assumed) -> float:
    talked_over = workload.barge_in_rate
    plays = talk.hears_s + workload.jitter_buffer
    if workload.listen == "done":
        plays = talk.hears_s / GENERATION
    heard = (1 - talked_over) * plays + talked_over * min(plays, BARGED_S)
    tools = workload.tool_rate * (workload.tool_latency.mean + assumed.ttfa_s)
    pause = (1 - talked_over) * workload.pause.mean
    return talk.says_s + assumed.ttfa_s + tools + heard + pause


def _caller_seconds(assumed: Assumed) -> float:
    """Seconds that all callers together are there, ramp included."""
    ramp = assumed.users / assumed.spawn_rate
    if ramp >= assumed.run_time_s:
        return assumed.spawn_rate * assumed.run_time_s**2 / 2
    return assumed.users * (assumed.run_time_s - ramp / 2)


def _sent(course: _Course) -> Traffic:
    workload, audio = course.workload, course.workload.audio_format
    spoken_s = course.turns * course.talk.says_s
    asked = 2 + 2 * workload.tool_rate  # commit and create; output and create again
    if workload.turn_detection != "none":  # the microphone is always open
        spoken_s, asked = course.call_s, 2 * workload.tool_rate
    frames = spoken_s * 1000 / workload.frame_ms
    messages = 1 + course.turns * asked + frames
    size = spoken_s * audio.bytes_per_second * 4 / 3 + frames * FRAME_BYTES
    return Traffic(messages=course.rate * messages, mbit=course.rate * size * 8e-6)


def _received(course: _Course) -> Traffic:
    talk = course.talk
    heard_s = course.turns * talk.hears_s
    deltas = heard_s / DELTA_S
    events = SESSION_EVENTS + course.turns * talk.answers * EVENTS + heard_s * WORDS
    audio = heard_s * course.workload.audio_format.bytes_per_second * 4 / 3
    size = audio + deltas * DELTA_BYTES + events * EVENT_BYTES
    return Traffic(messages=course.rate * (deltas + events), mbit=course.rate * size * 8e-6)


def _minutes(course: _Course) -> Iterator[Minute]:
    """Tokens of one call by its minutes; a turn counts where it begins."""
    sums: dict[int, list[float]] = {}
    for number in range(course.turns):
        usage = usage_of(course.talk, number, cached=True)
        row = sums.setdefault(int(number * course.turn_s // 60) + 1, [0.0, 0.0, 0.0])
        row[0] += usage["input_tokens"]
        row[1] += usage["input_token_details"]["cached_tokens"]
        row[2] += usage["output_tokens"]
    for minute, (read, cached, made) in sums.items():
        yield Minute(minute=minute, input=round(read), cached=round(cached), output=round(made))


def _usd(workload: Workload, talk: Talk, times: Sequence[float]) -> Usd | None:
    """What turns cost, each number of turn so many ``times``; ``None`` if that has no price."""
    most, none = (_cost(workload, talk, times, cached=cached) for cached in (True, False))
    return None if most is None or none is None else Usd(most_cached=most, none_cached=none)


def _cost(workload: Workload, talk: Talk, times: Sequence[float], *, cached: bool) -> float | None:
    prices = workload.prices or load_prices()
    total = 0.0
    for number, n in enumerate(times):
        usd = turn_usd(
            *(workload.model, prices, talk, number),
            cached=cached,
            transcription=workload.transcription,
        )
        if usd is None:
            return None
        total += n * usd
    return total
