"""The subcommand ``plan``: what a load test will send and cost, before it starts."""

import argparse
import math
import os
import re
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from harness.console import open_console
from harness.corpus import load_corpus
from harness.durations import parse_duration
from harness.errors import CommandError
from harness.forecast import Assumed, forecast
from harness.loads import LOAD_OPTIONS, SHAPES, Load, parse_load, planned
from harness.options import OPTIONS, TIMEOUT_OPTIONS, Option, parse_workload
from harness.paid import check_money, is_paid
from harness.plan.carriers import carriers
from harness.plan.table import Plan, print_plan
from harness.realtime.endpoint import Endpoint, parse_endpoint
from harness.stages import Stages
from harness.utterances import CorpusError
from harness.values import argument, number, whole
from harness.workload import Workload

__all__ = ["add_arguments", "run"]

EPILOG = """\
examples:
  realtime-harness plan -u 200 -r 2 -t 15m --turns 10
      200 callers, 2 more a second, calls of 10 turns
  realtime-harness plan -u 40 --steps 10,20,40 --max-cost 20 -H wss://api.openai.com
      ever more callers, and whether a budget of 20 USD is enough
  realtime-harness plan -u 50 -t 10m --arrivals 30/min --call-length 90s --json
      calls that come when they come, for other tools to read
"""

SCHEDULES = ("arrivals", "call_length")
SHAPED = {"steps": ("steps", "step_time"), "spike": ("spike_base", "spike_after", "spike_time")}
MOST = 10_000_000  # users
PARTS = re.compile(r"[\d.]+\s*[a-z]*")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``plan``: those of a load test, and what it has to assume."""
    parser.usage = "%(prog)s [-u N] [-r N] [-t TIME] [options of the load test]"
    parser.epilog = EPILOG
    parser.add_argument("--json", action="store_true", help="Say it as JSON")
    _add_load(parser.add_argument_group("Load, as Locust is told"))
    _add_assumed(parser.add_argument_group("Assumed"))
    group = parser.add_argument_group("Loads that are not steady")
    for option in LOAD_OPTIONS:
        if option.name in (*SCHEDULES, *SHAPED["steps"], *SHAPED["spike"]):
            _add(group, option)
    group = parser.add_argument_group("Workload, as in a load test")
    for option in (*OPTIONS, *TIMEOUT_OPTIONS):
        _add(group, option)


# fmt: off
def _add_load(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("-u", "--users", type=argument(whole(1, MOST)), default=1, metavar="N",
        help="Callers at once")
    add("-r", "--spawn-rate", type=argument(_rate), default=1.0, metavar="N",
        help="Callers more a second")
    add("-t", "--run-time", type=argument(_time), metavar="TIME", default=argparse.SUPPRESS,
        help="How long: 90s, 15m, 1h30m; steps and a spike say so themselves")
    add("--shape", choices=SHAPES, default=argparse.SUPPRESS,
        help="How callers come and go: the locustfile of that name "
        "(default: what the options below belong to, else steady)")
    add("-H", "--host", metavar="HOST", default=argparse.SUPPRESS,
        help="Whom to call: says whether that costs money")


def _add_assumed(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--answer", type=argument(_time), default="6s", metavar="TIME",
        help="Length of an answer")
    add("--ttfa", type=argument(_time), default="1s", metavar="TIME",
        help="Until an answer begins")
    add("--wait", type=argument(_wait), default="2s", metavar="TIME",
        help="Between the calls of a caller")
    add("--sessions-per-core", metavar="N|FILE", default=argparse.SUPPRESS,
        help="What a core carries: a figure, or what selftest --capacity --json wrote")
# fmt: on


def run(args: argparse.Namespace) -> int:
    """
    Say what the test will send and cost; 0.

    Raises:
        CommandError: If the options make no sense.

    """
    given = vars(args)
    try:
        plan = _plan(given, parse_workload(_values(given)))
    except (ValueError, CorpusError) as error:
        raise CommandError(str(error)) from None
    if args.json:
        said = msgspec.json.format(msgspec.json.encode(plan), indent=2).decode()
        sys.stdout.write(said + "\n")
    else:
        print_plan(open_console(), plan)
    return 0


def _plan(given: Mapping[str, Any], workload: Workload) -> Plan:
    load = parse_load(given)
    stages = _stages(given, load)
    assumed = Assumed(
        users=stages.peak if stages else given["users"],
        spawn_rate=given["spawn_rate"],
        run_time_s=stages.duration if stages else given["run_time"],
        answer_s=given["answer"],
        ttfa_s=given["ttfa"],
        wait_s=given["wait"],
        call_length_s=load.call_length.mean if load.call_length else None,
        arrivals=load.arrivals if "arrivals" in given else None,
        stages=stages,
    )
    detection, endpoint = workload.turn_detection, _endpoint(given.get("host"), workload)
    return Plan(
        model=workload.model,
        renews=workload.renew,
        max_cost=workload.max_cost,
        assumed=assumed,
        forecast=forecast(workload, load_corpus(workload.corpus), assumed),
        carriers=carriers(assumed.users, detection, given.get("sessions_per_core")),
        refusal=_refusal(endpoint, workload) if endpoint else "",
        free=endpoint is not None and not is_paid(endpoint, workload.free),
    )


def _stages(given: Mapping[str, Any], load: Load) -> Stages | None:
    """How many callers there are when; ``None`` if they come and stay, or calls have a schedule."""
    shape = given.get("shape") or _shape_of(given)
    seconds = given.get("run_time")
    if "arrivals" in given and shape != "steady":
        raise ValueError(f"--arrivals and {shape} are two loads: give one of them")
    if seconds is None and shape in ("steady", "soak"):
        raise ValueError("how long does it last? give -t")
    if shape == "steady":
        return None
    users, rate = given["users"], given["spawn_rate"]
    return planned(shape, load, users=users, rate=rate, seconds=seconds).lasting(seconds)


def _shape_of(given: Mapping[str, Any]) -> str:
    return next((shape for shape, options in SHAPED.items() if given.keys() & {*options}), "steady")


def _endpoint(host: str | None, workload: Workload) -> Endpoint | None:
    if host is None:
        return None
    return parse_endpoint(
        host, model=workload.model, dialect=workload.dialect, api_key="of the callers"
    )


def _refusal(endpoint: Endpoint, workload: Workload) -> str:
    """What a load test would say instead of calling ``endpoint``; empty if it would call."""
    try:
        check_money([endpoint], workload)
    except ValueError as error:
        return str(error)
    return ""


def _values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options as given, else as the environment has them."""
    options = (*OPTIONS, *TIMEOUT_OPTIONS)
    return {o.name: given.get(o.name, os.environ.get(o.env)) for o in options}


def _add(group: argparse._ArgumentGroup, option: Option) -> None:
    text = option.help + (f" (default: {option.default})" if option.default else "")
    common: dict[str, Any] = {"help": text.replace("%", "%%"), "default": argparse.SUPPRESS}
    if option.switch:
        group.add_argument(option.flag, action="store_true", **common)
        return
    group.add_argument(
        option.flag,
        metavar=option.placeholder,
        action="append" if option.repeat else "store",
        **common,
    )


def _rate(text: str) -> float:
    value = number(text)
    if not 0 < value < math.inf:
        raise ValueError("must be a number above 0")
    return value


def _wait(text: str) -> float:
    """Seconds; as Locust writes them, too: ``1h30m``."""
    found = PARTS.findall(text)
    if "".join(found) != text or not found:
        raise ValueError(f"{text!r} is no duration: write it like 90s, 15m or 1h30m")
    return sum(map(parse_duration, found))


def _time(text: str) -> float:
    value = _wait(text)
    if not value:
        raise ValueError("must be longer than 0")
    return value
