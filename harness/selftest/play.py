"""One performance: endpoints and callers as processes of their own, and what they leave behind."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.audio import PCM16
from harness.corpus import load_corpus
from harness.errors import CommandError
from harness.records import Health, Session, Turn
from harness.selftest.job import Job, Part
from harness.selftest.outcome import Evidence
from harness.selftest.scenes import ENDPOINTS, FRAME_MS, SCENES, Scene, cast
from harness.selftest.truth import Line
from harness.simulator.process import SimulatorProcess

__all__ = ["play"]

TALKS_ON_S = 150.0  # at most, after the time given: dialling, last answers, start and end

_Record = TypeVar("_Record", Turn, Session, Health)


def play(
    sessions: int,
    seconds: float,
    *,
    scenes: tuple[Scene, ...] = SCENES,
    endpoints: dict[str, tuple[str, ...]] = ENDPOINTS,
    frame_ms: int = FRAME_MS,
    tls: bool = False,
    cores: tuple[int, int] | None = None,
) -> Evidence:
    """
    Let callers talk to endpoints.

    Args:
        sessions: Callers of all scenes together.
        seconds: From the last session dialled; turns that began by then end.
        scenes: What they do.
        endpoints: Options of the endpoints that the scenes name.
        frame_ms: Of the audio in each message.
        tls: Whether they talk over TLS, with certificates made for it.
        cores: The callers' and the endpoints', to measure what one carries.

    Raises:
        CommandError: If a process fails.

    """
    parts = cast(sessions, scenes)
    played = [scene for scene in scenes if parts[scene.name]]
    known = {scene.endpoint: endpoints[scene.endpoint] for scene in played}
    callers, callees = cores or (None, None)
    with tempfile.TemporaryDirectory(prefix="selftest-") as name:
        folder = Path(name)
        with _running(known, folder, core=callees, tls=tls) as running:
            job = Job(
                parts=[_part(scene, running, parts, frame_ms, folder, tls=tls) for scene in played],
                seconds=seconds,
                folder=name,
                core=callers,
            )
            run = _perform(job)
        # Logs are complete once the endpoints have ended.
        return _evidence(run, list(running.values()), frame_ms)


@contextmanager
def _running(
    endpoints: Mapping[str, tuple[str, ...]], folder: Path, *, core: int | None, tls: bool
) -> Iterator[dict[str, SimulatorProcess]]:
    """Endpoints by name, each with a log, and over TLS a certificate to trust, of its name."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                SimulatorProcess(
                    (*options, *(("--tls", str(folder / f"{name}.pem")) if tls else ())),
                    folder / f"{name}.jsonl",
                    core=core,
                )
            )
            for name, options in endpoints.items()
        }


def _part(
    scene: Scene,
    running: Mapping[str, SimulatorProcess],
    parts: Mapping[str, int],
    frame_ms: int,
    folder: Path,
    *,
    tls: bool,
) -> Part:
    trust = {"ca_file": str(folder / f"{scene.endpoint}.pem")} if tls else {}
    return Part(
        scene=scene.name,
        url=running[scene.endpoint].url,
        sessions=parts[scene.name],
        options={"frame_ms": str(frame_ms), **scene.options, **trust},
        talks_over=scene.talks_over,
    )


def _perform(job: Job) -> Path:
    """Let the callers do their job; where they left their records."""
    # In a process of its own: what measures must not be what is measured.
    child = subprocess.Popen(
        [sys.executable, "-m", "harness.selftest.crowd"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is ours to handle
    )
    with _ended(child) as callers:
        said, _ = callers.communicate(
            msgspec.json.encode(job).decode() + "\n", timeout=job.seconds + TALKS_ON_S
        )
    if callers.returncode or not said.strip():
        raise CommandError("the callers failed; see what they said above")
    return Path(said.splitlines()[-1])


@contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that does not outlive this."""
    try:
        yield process
    except subprocess.TimeoutExpired:
        raise CommandError("the callers did not come to an end") from None
    finally:
        process.kill()
        process.wait()


def _evidence(run: Path, endpoints: Sequence[SimulatorProcess], frame_ms: int) -> Evidence:
    lines: dict[str, Line] = {}
    late = 0.0
    for endpoint in endpoints:
        responses, totals = endpoint.truth(), endpoint.totals()
        lines |= {line.response_id: line for line in msgspec.convert(responses, list[Line])}
        late = max(late, totals["first_delta_lateness_s"]["p99"])
    sessions = _records(run / "sessions.jsonl", Session)
    return Evidence(
        turns=_records(run / "turns.jsonl", Turn),
        sessions=[session for session in sessions if session.event == "end"],
        health=_records(run / "health.jsonl", Health),
        lines=lines,
        tails=_tails(frame_ms),
        endpoint_lateness_s=late,
    )


def _records(path: Path, kind: type[_Record]) -> list[_Record]:
    decoder = msgspec.json.Decoder(kind)
    return [decoder.decode(line) for line in path.read_bytes().splitlines()]


def _tails(frame_ms: int) -> dict[str, int]:
    """Of each utterance, ns from the end of its voice to the end of its last frame."""
    corpus = load_corpus()
    speeches = [corpus.speech(utterance, PCM16, frame_ms) for utterance in corpus.utterances]
    return {
        speech.name: len(speech.frames) * speech.frame_ns - speech.voice_end_ns
        for speech in speeches
    }
