"""Each figure of a turn minus what it truly was, by the endpoint's log. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from harness.records import Flag, Turn
from harness.selftest.scenes import BUFFER_S, DELTA_S, SILENCE_S

__all__ = ["FIGURES", "Line", "errors"]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A response in the endpoint's log; instants are ns of the same clock as ours."""

    response_id: str
    turn_detection: str = "none"
    status: str = ""
    audio_s: float = 0.0
    commit_in: int | None = None
    speech_stopped_out: int | None = None
    created_out: int | None = None
    first_out: int | None = None
    last_out: int | None = None
    call_out: int | None = None
    cancel_in: int | None = None
    tool_output_in: int | None = None


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one turn: what was measured, the log, and where its last voice ended."""

    turn: Turn
    lines: tuple[Line, ...]  # of its responses, in their order
    tail: int  # ns from the end of the voice to the end of the frame that carries it

    @property
    def spoken(self) -> int | None:
        """When the caller's last voiced sample was spoken: push to talk commits a tail later."""
        commit = self.lines[0].commit_in
        return None if commit is None else commit - self.tail

    @property
    def answer(self) -> Line:
        """The response that was heard."""
        return next((line for line in self.lines if line.first_out is not None), self.lines[-1])

    @property
    def detected(self) -> int | None:
        """When the endpoint took the caller's turn to be over."""
        first = self.lines[0]
        return first.commit_in if first.turn_detection == "none" else first.speech_stopped_out

    @property
    def gap_s(self) -> float | None:
        """
        Silence: how much later the last delta came than the audio before it had played.

        Only an endpoint that is steadily slow leaves it to be known so.
        """
        line = self.answer
        if line.first_out is None or line.last_out is None or line.status != "completed":
            return None
        late = (line.last_out - line.first_out) / 1e9 - (BUFFER_S + line.audio_s - DELTA_S)
        return late if late > 0 else None


def _since(start: int | None, end: int | None, more_s: float = 0.0) -> float | None:
    return None if start is None or end is None else (end - start) / 1e9 + more_s


def _interrupted(known: Known) -> float | None:
    cancel, last = known.answer.cancel_in, known.answer.last_out
    return None if cancel is None or last is None else max(0.0, (last - cancel) / 1e9)


def _called(known: Known) -> int | None:
    return known.lines[0].call_out


def _output(known: Known) -> int | None:
    return known.lines[-1].tool_output_in


TRUTHS: dict[str, Callable[[Known], float | None]] = {
    "ttfa": lambda known: _since(known.spoken, known.answer.first_out),
    "ttfa_commit": lambda known: _since(known.lines[0].commit_in, known.answer.first_out),
    "ttfa_detected": lambda known: _since(known.detected, known.answer.first_out),
    "ttfa_audible": lambda known: _since(
        known.spoken, known.answer.first_out, BUFFER_S + SILENCE_S
    ),
    "ttft": lambda known: _since(known.spoken, known.answer.first_out),
    "tool_call": lambda known: _since(known.spoken, _called(known)),
    "own_delay": lambda known: _since(_called(known), _output(known)),
    "tool_turnaround": lambda known: _since(_output(known), known.answer.first_out),
    "time_to_answer": lambda known: _since(known.spoken, known.answer.first_out),
    "interrupt_stop": _interrupted,
    "audio_gap_seconds": lambda known: known.gap_s,
}
"""What a metric of a turn truly was, in seconds, by its name; the words come with the audio."""

MARKS: dict[str, Callable[[Known], int | None]] = {
    "created": lambda known: known.lines[0].created_out,
    "first_audio": lambda known: known.answer.first_out,
}
"""When a mark of a turn truly was, just before it was sent."""

FIGURES = (*(f"{name} received" for name in MARKS), *TRUTHS, "audio received")


def errors(
    turns: Iterable[Turn], lines: Mapping[str, Line], tails: Mapping[str, int]
) -> Iterator[tuple[str, Turn, float]]:
    """
    What was measured minus what is true, of turns whose answer is the only one they had.

    Args:
        turns: As recorded.
        lines: The endpoint's, by response id.
        tails: Of each utterance, ns from the end of its voice to the end of its last frame.

    Yields:
        One of ``FIGURES``, the turn, and its error in seconds.

    """
    for turn in turns:
        found = tuple(lines[name] for name in turn.response_ids if name in lines)
        if not found or len(found) != len(turn.response_ids) or Flag.PREMATURE in turn.flags:
            continue
        known = Known(turn=turn, lines=found, tail=tails.get(turn.said, 0))
        for figure, error in _of(known):
            if error is not None:
                yield figure, turn, error


def _of(known: Known) -> Iterator[tuple[str, float | None]]:
    turn = known.turn
    for mark, instant in MARKS.items():
        yield f"{mark} received", _since(instant(known), turn.marks.get(mark))
    for metric, truth in TRUTHS.items():
        measured, true = turn.metrics.get(metric), truth(known)
        yield metric, None if measured is None or true is None else measured - true
    heard = sum(line.audio_s for line in known.lines)
    complete = all(line.status == "completed" for line in known.lines)
    yield "audio received", turn.audio_received_s - heard if complete and heard else None
