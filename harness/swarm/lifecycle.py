"""Which of Locust's events does what, in a process of its kind: local, master or worker."""

import itertools
import logging
import signal
import sys
from functools import cache
from typing import Any

import gevent
from locust import argument_parser, runners, stats
from locust.runners import MasterRunner, WorkerRunner

from harness.streams import outlive_readers
from harness.swarm.cli_options import add_options
from harness.swarm.front import FrontStation
from harness.swarm.local import LocalStation
from harness.swarm.master import MasterStation
from harness.swarm.once import Once
from harness.swarm.randomness import seed_locust
from harness.swarm.rows import log_request, to_the_millisecond
from harness.swarm.silence import LIVENESS
from harness.swarm.worker import WorkerStation

__all__ = ["install"]


def install(events: Any) -> None:
    """Make Locust ready for realtime users; called once, when a locustfile imports them."""
    stats.bucket_response_time = to_the_millisecond
    stats.RequestStats.log_request = log_request  # type: ignore[assignment, method-assign]
    seed_locust()
    runners.HEARTBEAT_LIVENESS = LIVENESS
    # Else it forgets a missing worker after a minute, and lets all users begin anew.
    runners.HEARTBEAT_DEAD_INTERNAL = -sys.maxsize
    # A worker that was paused for longer would quit as soon as it goes on: it watches by itself.
    runners.MASTER_HEARTBEAT_TIMEOUT = sys.maxsize
    # At each step of a ramp a worker makes this anew for every single option: a tenth of a second
    # of argparse and more, during which no caller speaks.
    argument_parser.default_args_dict = cache(argument_parser.default_args_dict)
    logging.getLogger("harness.realtime").addFilter(Once())
    events.init_command_line_parser.add_listener(lambda parser, **_: add_options(parser))
    events.init.add_listener(_on_init)


def _on_init(environment: Any, runner: Any, web_ui: Any = None, **_: Any) -> None:
    # Not before: with --processes, what is opened when the locustfile is imported would be
    # shared by all workers.
    match runner:
        case WorkerRunner():
            station: Any = _worker(environment)
        case MasterRunner():
            station = _master(environment, web_ui)
        case _:
            station = _front(LocalStation(environment, web_ui))
    environment.realtime = station
    outlive_readers()
    station.prepare()
    _handle_ctrl_c(station)
    forked = isinstance(station, WorkerStation) and bool(environment.parsed_options.processes)
    _handle_closed_terminal(forked=forked)
    if isinstance(station, WorkerStation) and not forked:
        gevent.signal_handler(signal.SIGTERM, station.terminate)
    if isinstance(station, FrontStation):
        # Without a web UI, Locust listens to SIGTERM only when all workers are there, and when its
        # shape is over.
        gevent.signal_handler(signal.SIGTERM, station.terminate)


def _worker(environment: Any) -> WorkerStation:
    station = WorkerStation(environment)
    events = environment.events
    events.test_start.add_listener(lambda **_: station.begin())
    events.test_stop.add_listener(lambda **_: station.end())
    events.report_to_master.add_listener(lambda data, **_: station.on_report(data))
    events.heartbeat_received.add_listener(lambda **_: station.on_heartbeat())
    events.quitting.add_listener(lambda **_: station.shut_down())
    return station


def _master(environment: Any, web_ui: Any) -> MasterStation:
    station = MasterStation(environment, web_ui)
    events = environment.events
    events.worker_report.add_listener(
        lambda client_id, data, **_: station.on_report(client_id, data)
    )
    _front(station)
    return station


def _front(station: FrontStation) -> FrontStation:
    events = station.environment.events
    events.test_start.add_listener(lambda **_: station.begin())
    events.test_stop.add_listener(lambda **_: station.end())
    events.quitting.add_listener(lambda **_: station.shut_down())
    events.quit.add_listener(lambda **_: station.conclude())
    return station


def _handle_ctrl_c(station: Any) -> None:
    """
    End calls on the first Ctrl-C, cut them on the second.

    Python's own handler raises KeyboardInterrupt wherever the process happens to be, in the midst
    of a callback of the event loop, say; here only the main greenlet hears of it.
    """
    presses = itertools.count()

    def pressed() -> None:
        if next(presses):
            station.cut()
        else:
            station.interrupt()

    gevent.signal_handler(signal.SIGINT, pressed)


def _handle_closed_terminal(*, forked: bool) -> None:
    """
    Let SIGHUP end calls as SIGTERM does; who was started with nohup never hears of it.

    Args:
        forked: By a master on the same terminal, which ends its workers itself.

    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return
    if forked:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return
    times = itertools.count()

    def closed() -> None:
        if not next(times):  # the kernel says so, and the shell may say it again
            signal.raise_signal(signal.SIGTERM)

    gevent.signal_handler(signal.SIGHUP, closed)
