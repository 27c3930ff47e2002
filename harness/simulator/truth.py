"""What the endpoint really did and when: the oracle that a measurement is held against."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import msgspec

from harness.records import LagHistogram

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Said", "Totals", "Truth", "TruthLog"]


class Said(msgspec.Struct):
    """What a caller last said, in ns of CLOCK_MONOTONIC; text has none of these."""

    voiced_in: int | None = None  # the append with the last voiced samples read
    commit_in: int | None = None  # input_audio_buffer.commit read
    speech_stopped_out: int | None = None  # about to be sent


class Truth(msgspec.Struct, kw_only=True):
    """
    One response. Instants are ns of CLOCK_MONOTONIC: ``_in`` when read, ``_out`` before the send.

    ``kind`` is what it answers: ``speech``, ``text``, ``tool_followup`` (the output of a tool),
    ``idle`` (a long silence), or ``greeting``: nothing was said since the answer before.
    """

    session_id: str
    response_id: str
    turn_detection: str
    kind: str
    said: Said
    status: str = "in_progress"  # which it remains when the connection ends first
    faults: list[str] = []  # that struck it
    tool_calls: int = 0
    audio_s: float = 0.0  # sent
    input_tokens: int = 0
    output_tokens: int = 0
    queued_ns: int = 0  # it waited so long for others to be made
    first_due: int | None = None  # when its first audio should be sent
    created_out: int | None = None
    first_out: int | None = None  # first audio delta
    first_audible_out: int | None = None  # the delta with the first audible sample
    last_out: int | None = None  # last audio delta
    call_out: int | None = None  # last function call complete
    done_out: int | None = None
    cancel_in: int | None = None
    tool_output_in: int | None = None  # the newest before a tool_followup

    def line(self) -> dict[str, Any]:
        """As it stands in the log: flat."""
        fields = msgspec.structs.asdict(self)
        said = fields.pop("said")
        return {**fields, **msgspec.structs.asdict(said)}


class Totals(msgspec.Struct, kw_only=True):
    """What the endpoint did since it started."""

    sessions: int = 0
    open_sessions: int = 0
    turns: int = 0  # responses but those to a tool's output
    responses: int = 0  # whose response.created was written
    statuses: dict[str, int] = {}  # of responses
    tool_calls: int = 0
    errors: int = 0  # error events sent
    faults: dict[str, int] = {}  # that struck
    refused: int = 0  # at the handshake, or after it for an unknown model
    audio_in_ns: int = 0  # playing time of what callers sent
    audio_out_s: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    lateness: LagHistogram = msgspec.field(default_factory=LagHistogram)  # of first deltas

    def add(self, truth: Truth) -> None:
        """Count a response that is over."""
        self.responses += 1
        self.turns += truth.kind != "tool_followup"
        self.statuses[truth.status] = self.statuses.get(truth.status, 0) + 1
        self.tool_calls += truth.tool_calls
        self.audio_out_s += truth.audio_s
        self.input_tokens += truth.input_tokens
        self.output_tokens += truth.output_tokens

    def struck(self, label: str) -> None:
        """Count a fault."""
        self.faults[label] = self.faults.get(label, 0) + 1

    def report(self) -> dict[str, Any]:
        """As JSON shows it."""
        fields = msgspec.structs.asdict(self)
        late: LagHistogram = fields.pop("lateness")
        heard_ns: int = fields.pop("audio_in_ns")
        return {
            **fields,
            "audio_in_s": heard_ns / 1e9,
            "audio_out_s": round(self.audio_out_s, 3),
            "first_delta_lateness_s": {
                "count": late.count,
                "mean": late.sum / late.count if late.count else 0.0,
                "p50": late.quantile(0.5),
                "p99": late.quantile(0.99),
                "max": late.max,
            },
        }


_encoder = msgspec.json.Encoder()


class TruthLog:
    """
    A file with a line for each response, and the totals as its last.

    What faults strike beside responses has lines of its own: ``{"struck": …}``. Once it can't be
    written any more, the disk being full, say, it ends there: calls go on.

    Args:
        path: Of the file.
        complain: Told, once, in one line, that it ends before its time.

    Attributes:
        cut: Whether it did.

    Raises:
        OSError: If the file can't be opened.

    """

    def __init__(self, path: Path, complain: Callable[[str], None]) -> None:
        # Unbuffered, one write a line: a killed endpoint loses no response that was over.
        self._file: IO[bytes] = path.open("wb", buffering=0)
        self._path = path
        self._complain = complain
        self.cut = False

    def write(self, truth: Truth) -> None:
        """Log a response that is over."""
        self._write(truth.line())

    def write_fault(self, label: str, session_id: str | None, at: int) -> None:
        """Log a fault that struck a handshake, which has no session, or a session."""
        struck = {"fault": label, "session_id": session_id, "at": at}
        self._write({"struck": struck})

    def close(self, totals: Totals) -> None:
        """Log the totals and end the file."""
        self._write({"totals": totals.report()})
        self._file.close()

    def _write(self, line: object) -> None:
        rest = _encoder.encode(line) + b"\n"
        try:
            while rest and not self.cut:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self.cut = True
            self._complain(f"the log {self._path} is cut short: {error.strerror}")
