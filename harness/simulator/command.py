"""``realtime-harness simulate``: a simulated endpoint until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import gc
import math
import os
import secrets
import signal
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

from harness.durations import Distribution, parse_distribution
from harness.errors import CommandError
from harness.simulator.access import Access
from harness.simulator.endpoint import Endpoint
from harness.simulator.loop import precise_loop
from harness.simulator.phrases import SOUNDS
from harness.simulator.server import Server
from harness.simulator.settings import Settings
from harness.simulator.truth import TruthLog

__all__ = ["add_arguments", "run"]

_KEY_VARIABLE = "REALTIME_SIMULATOR_KEY"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    defaults = Settings()
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="Address to listen on; not this machine alone: 0.0.0.0")
    add("--port", type=_port, default=8765, help="Port to listen on; 0 takes any free one")
    add(
        "--ttfa",
        type=_distribution,
        default="300ms",
        metavar="DIST",
        help="From response.create, or speech_stopped under VAD, to the first audio: 300ms, "
        "uniform(200ms, 1s), normal(300ms, 50ms) or lognormal(300ms, 0.3)",
    )
    add(
        "--answer",
        type=_distribution,
        metavar="DIST",
        help="Length of the answers' audio, cut or repeated; not given: whole sentences",
    )
    add(
        "--answer-audio",
        choices=SOUNDS,
        default=defaults.answer_audio,
        help="What answers sound like; a tone is heard from its first sample",
    )
    add(
        "--delta-ms",
        type=_number(10, 2000),
        default=defaults.delta_ms,
        metavar="MS",
        help="Audio per delta, milliseconds",
    )
    add(
        "--silence-ms",
        type=_number(0, 5000),
        default=defaults.silence_ms,
        metavar="MS",
        help="Silence at the start of each answer, milliseconds",
    )
    add(
        "--speed",
        type=_speed,
        default=defaults.speed,
        metavar="X",
        help="Speed of generation: 1 is as fast as it is played, 0 is all at once",
    )
    add(
        "--tool-rate",
        type=_share,
        default=defaults.tool_rate,
        metavar="SHARE",
        help="Share of turns that call a tool, when the session has tools",
    )
    add("--seed", type=_number(0, 2**63), default=defaults.seed, help="Same seed, same answers")
    add(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="A model that exists; repeatable; all others are then refused",
    )
    add(
        "--api-key",
        metavar="KEY",
        help=f"Key that clients must show; better given in {_KEY_VARIABLE}",
    )
    add("--truth", type=Path, metavar="FILE", help="Log of what was sent when, JSON lines")
    add("--cert", type=Path, metavar="FILE", help="Certificate (PEM): serve wss")
    add("--key", type=Path, metavar="FILE", help="Private key of the certificate (PEM)")
    add("--until-stdin-closes", action="store_true", help="End when stdin does, or a signal comes")


def run(args: argparse.Namespace) -> int:
    """
    Serve until SIGTERM, SIGINT or the end of stdin.

    Raises:
        CommandError: If it can't begin.

    """
    settings = Settings(
        ttfa=args.ttfa,
        answer=args.answer,
        answer_audio=args.answer_audio,
        delta_ms=args.delta_ms,
        silence_ms=args.silence_ms,
        speed=args.speed,
        tool_rate=args.tool_rate,
        seed=args.seed,
        models=tuple(args.model),
    )
    access = Access(args.api_key or os.environ.get(_KEY_VARIABLE) or None)
    tls = _tls(args.cert, args.key)
    log = _truth_log(args.truth)
    name = secrets.token_hex(3)
    endpoint = Endpoint(settings, log.write, name) if log else Endpoint(settings, name=name)
    endpoint.prepare()
    with asyncio.Runner(loop_factory=precise_loop) as runner:
        runner.run(_serve(Server(endpoint, access), args, tls))
    if log:
        log.close(endpoint.totals)
    return 0


async def _serve(server: Server, args: argparse.Namespace, tls: ssl.SSLContext | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        port = await server.open(args.host, args.port, tls)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise CommandError(f"can't listen on {args.host}:{args.port}: {reason}") from None
    if args.until_stdin_closes:
        threading.Thread(target=_watch_stdin, args=(loop, stop), daemon=True).start()
    host = f"[{args.host}]" if ":" in args.host else args.host
    print(f"listening on {'wss' if tls else 'ws'}://{host}:{port}/v1/realtime", flush=True)
    # What lives from here to the end is not looked at again by the garbage collector.
    gc.collect()
    gc.freeze()
    await stop.wait()
    await server.close()


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Stop at the end of stdin: whoever started this is gone."""
    # Not sys.stdin: a thread that waits in its buffer would block the end of the process.
    while os.read(0, 4096):
        pass
    if not loop.is_closed():
        loop.call_soon_threadsafe(stop.set)


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        if key is not None:
            raise CommandError("--key needs its --cert")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or error
        raise CommandError(f"can't use the certificate {certificate}: {reason}") from None
    return context


def _truth_log(path: Path | None) -> TruthLog | None:
    try:
        return TruthLog(path) if path else None
    except OSError as error:
        raise CommandError(f"can't write {path}: {error.strerror}") from None


def _distribution(text: str) -> Distribution:
    try:
        return parse_distribution(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text) if text.isdecimal() else -1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {low} to {high}")
        return value

    return parse


def _port(text: str) -> int:
    return _number(0, 65535)(text)


def _share(text: str) -> float:
    value = _float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share from 0 to 1")
    return value


def _speed(text: str) -> float:
    value = _float(text)
    if math.isinf(value):
        return 0.0
    if not 0 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is no speed: 1 is playing speed, 0 at once")
    return value


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
