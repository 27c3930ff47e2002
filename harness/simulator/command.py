"""``realtime-harness simulate``: a simulated endpoint until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import secrets
import signal
import ssl
import sys
import threading
from pathlib import Path
from typing import Any

from harness.descriptors import allow_descriptors
from harness.errors import CommandError
from harness.simulator import certificate
from harness.simulator.access import Access
from harness.simulator.endpoint import Endpoint
from harness.simulator.faults import FAULTS
from harness.simulator.loop import PreciseLoop
from harness.simulator.options import add_options, parse_settings
from harness.simulator.profiles import load_profile, shipped_profiles
from harness.simulator.server import Server
from harness.simulator.settings import Settings
from harness.simulator.truth import TruthLog
from harness.streams import tell
from harness.values import argument, whole

__all__ = ["add_arguments", "run"]

_KEY_VARIABLE = "REALTIME_SIMULATOR_KEY"
_EXAMPLES = """\
examples:
  realtime-harness simulate --profile flaky
      mostly fine: every few calls something goes wrong
  realtime-harness simulate --ttfa 'lognormal(300ms, 0.3)' --speed 2 --capacity 20
      beyond 20 answers at a time, callers wait their turn
  realtime-harness simulate --fault 'disconnect:1006=5%' --fault 'drop:response.done=1%'
      connections break in mid-answer, and some answers never end
  realtime-harness simulate --tool-rate 1 --tool-calls 2 --filler-rate 0.5
      a session with tools has one or two called in each turn, after a word or at once

A profile is a TOML file of these options, with faults in a table of their own:
  ttfa = "lognormal(450ms, 0.3)"
  [faults]
  "refuse:429" = "1%"

Any client of the protocol may call it. That of the openai package, for instance:
  AsyncOpenAI(api_key="none", websocket_base_url="ws://127.0.0.1:8765/v1")
Beside it: / shows totals, /totals tells them as JSON, /metrics to Prometheus; /healthz says ok."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.usage = "%(prog)s [options]"
    parser.epilog = _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add(
        "--profile",
        metavar="NAME",
        help=f"What it is like: {', '.join(shipped_profiles())}, or a TOML file; options given "
        "beside it win, faults add to its own",
    )
    add("--list-faults", action="store_true", help="Tell what can go wrong, and end")
    add_options(parser)
    _add_server_options(parser.add_argument_group("Where, and for whom"))


def _add_server_options(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--host", default="127.0.0.1", help="Address to listen on (default: 127.0.0.1)")
    add(
        "--port",
        type=argument(whole(0, 65535)),
        default=8765,
        help="Port; 0 takes any free one (default: 8765)",
    )
    add(
        "--api-key",
        metavar="KEY",
        help=f"Key that clients must show, as bearer, api-key header or subprotocol; better given "
        f"in {_KEY_VARIABLE} (default: everyone may come in)",
    )
    add(
        "--tls",
        type=Path,
        metavar="FILE",
        help="Serve wss with a certificate made now; FILE is written for clients to trust",
    )
    add("--cert", type=Path, metavar="FILE", help="Certificate (PEM): serve wss")
    add("--key", type=Path, metavar="FILE", help="Private key of the certificate (PEM)")
    add("--truth", type=Path, metavar="FILE", help="Log of what was sent when, JSON lines")
    add("--until-stdin-closes", action="store_true", help="End when stdin does, or a signal comes")


def run(args: argparse.Namespace) -> int:
    """
    Serve until SIGTERM, SIGINT or the end of stdin; 2 if the log could not be written to its end.

    Raises:
        CommandError: If it can't begin.

    """
    if args.list_faults:
        print(_fault_list())
        return 0
    allow_descriptors()
    settings = _settings(args)
    access = Access(args.api_key or os.environ.get(_KEY_VARIABLE) or None)
    tls = _tls(args)
    log = _truth_log(args.truth)
    name = secrets.token_hex(3)
    endpoint = (
        Endpoint(settings, log.write, name, log.write_fault)
        if log
        else Endpoint(settings, name=name)
    )
    endpoint.prepare()
    with asyncio.Runner(loop_factory=PreciseLoop) as runner:
        runner.run(_serve(Server(endpoint, access), args, tls))
        if log:  # as long as a second signal does no harm: timeout(1) sends two
            log.close(endpoint.totals)
    return 2 if log and log.cut else 0


def _settings(args: argparse.Namespace) -> Settings:
    given = vars(args)
    profile = load_profile(args.profile) if args.profile else {}
    faults = [*profile.get("fault", ()), *given.get("fault", ())]
    return parse_settings({**profile, **given, "fault": faults})


def _fault_list() -> str:
    """The table of faults, for people."""
    lines = []
    for kind in FAULTS.values():
        detail = f":{'|'.join(kind.details)}" if kind.details else ""
        lines.append(f"{kind.name}{detail}\n    of a {kind.scope}: {kind.help}")
    return "\n".join(lines)


async def _serve(server: Server, args: argparse.Namespace, tls: ssl.SSLContext | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_on_trouble)
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


def _on_trouble(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say in one line what a client did to its connection, as where it does not trust us."""
    error = context.get("exception")
    # The TLS of aiofastnet names the class where asyncio has the exception.
    kind = error if isinstance(error, type) else type(error)
    if issubclass(kind, OSError):
        _complain(
            f"{context['message'].splitlines()[0]}: {kind.__name__ if error is kind else error}"
        )
    else:
        loop.default_exception_handler(context)


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Stop at the end of stdin: whoever started this is gone."""
    # Not sys.stdin: a thread that waits in its buffer would block the end of the process.
    while os.read(0, 4096):
        pass
    if not loop.is_closed():
        loop.call_soon_threadsafe(stop.set)


def _tls(args: argparse.Namespace) -> ssl.SSLContext | None:
    if args.key is not None and args.cert is None:
        raise CommandError("--key needs its --cert")
    if args.cert is not None and args.tls is not None:
        raise CommandError("--tls makes a certificate, --cert brings one: give one of them")
    if args.tls is not None:
        return certificate.self_made(args.tls, args.host)
    return certificate.given(args.cert, args.key) if args.cert else None


def _truth_log(path: Path | None) -> TruthLog | None:
    try:
        return TruthLog(path, _complain) if path else None
    except OSError as error:
        raise CommandError(f"can't write {path}: {error.strerror}") from None


def _complain(text: str) -> None:
    tell(f"realtime-harness simulate: {text}", sys.stderr)
