"""What can be read off a finished turn, each figure from its marks; ``metrics.py`` names them."""

from collections.abc import Callable

from harness.records import Flag, Kind, Turn

__all__ = [
    "DEAD_AIR_S",
    "Reading",
    "asked",
    "between",
    "dead_air",
    "gap_seconds",
    "gaps",
    "interrupt_stop",
    "leaked",
    "longest_gap",
    "overtalk",
    "own_delay",
    "requested",
    "rtf",
    "spoken",
    "time_to_answer",
]

Reading = Callable[[Turn], float | None]
"""A figure of a finished turn; ``None`` where it has none."""


DEAD_AIR_S = 1.5
"""Seconds of silence inside an answer after which callers ask whether anyone is there."""


def between(start: str, end: str) -> Reading:
    """From one mark to another, seconds; ``None`` of a turn that lacks either."""

    def value(turn: Turn) -> float | None:
        a, b = turn.marks.get(start), turn.marks.get(end)
        return None if a is None or b is None else (b - a) / 1e9

    return value


def spoken(end: str) -> Reading:
    """From the end of the caller's speech: of turns of kind speech only."""
    waited = between("speech_end", end)
    return lambda turn: waited(turn) if turn.kind is Kind.SPEECH else None


def requested(end: str) -> Reading:
    """From the request: of greetings and texts only."""
    waited = between("request", end)
    return lambda turn: waited(turn) if turn.kind in (Kind.GREETING, Kind.TEXT) else None


def asked(end: str) -> Reading:
    """From the end of the caller's speech, or from the request of what is not spoken."""
    after_speech, after_request = between("speech_end", end), between("request", end)
    return lambda turn: (after_speech if turn.kind is Kind.SPEECH else after_request)(turn)


def time_to_answer(turn: Turn) -> float | None:
    """To the first audio after the last tool, where there was one."""
    return spoken("answer_audio" if turn.tools else "first_audio")(turn)


def interrupt_stop(turn: Turn) -> float | None:
    """Null if the response was done when the caller cut in; 0 if no delta came after."""
    cut_in, done = turn.marks.get("barge_in"), turn.marks.get("done")
    if cut_in is None or (done is not None and done < cut_in):
        return None
    last = turn.marks.get("last_delta")
    return max(0.0, ((last or cut_in) - cut_in) / 1e9)


def rtf(turn: Turn) -> float | None:
    """The time it took to receive over the audio received; ``None`` where none came."""
    received = turn.audio_received_s
    return turn.receiving_s / received if received > 0 else None


def own_delay(turn: Turn) -> float | None:
    """``None`` of a turn that called no tool of ours."""
    return turn.own_delay_s if any(not tool.server for tool in turn.tools) else None


def gaps(turn: Turn) -> float:
    """How many silences its answer had."""
    return float(len(turn.gaps))


def gap_seconds(turn: Turn) -> float:
    """All of them together."""
    return sum(turn.gaps)


def longest_gap(turn: Turn) -> float:
    """The longest, 0 if there was none."""
    return max(turn.gaps, default=0.0)


def dead_air(turn: Turn) -> float:
    """Those over ``DEAD_AIR_S`` together."""
    return sum(gap for gap in turn.gaps if gap > DEAD_AIR_S)


def overtalk(turn: Turn) -> float | None:
    """``None`` of a turn that nobody talked over."""
    return turn.overtalk_s if Flag.INTERRUPTED in turn.flags else None


def leaked(turn: Turn) -> float | None:
    """``None`` of a turn that was not cancelled."""
    return turn.leaked_s if turn.marks.get("cancel") is not None else None
