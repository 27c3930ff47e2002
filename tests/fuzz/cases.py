"""Cases: how an endpoint behaves, what a caller does, how bad the line and the machine are."""

import logging
import random
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile

import msgspec
from gevent import GreenletExit

from fuzz.wire import Exchange
from fuzz.world import World
from harness.call import Call, CallEnded
from harness.corpus import load_corpus
from harness.health import census
from harness.noise import in_noise
from harness.options import Workload, parse_workload
from harness.realtime.endpoint import parse_endpoint
from harness.realtime.events import SERVER_EVENTS
from harness.records import Identity
from harness.reel import read_tape, write_tape
from harness.simulator.endpoint import Endpoint
from harness.simulator.options import parse_settings
from harness.tape import replay

__all__ = ["Case", "Played", "draw", "play"]

URL = "ws://127.0.0.1:9"
BRIEF = ("Yes, please.", "At eight, please.", "What's on the menu?", "Actually, make it nine.")
LONG = ("Do you have anything without nuts? My daughter is allergic.", None)
MCP = {"type": "mcp", "server_label": "docs", "server_url": "https://docs.example/mcp"}


@dataclass
class Case:
    """One case, as data: it can be printed, cut down and played again."""

    seed: int = 0
    simulator: dict = field(default_factory=dict)  # options by name, as text
    workload: dict = field(default_factory=dict)  # likewise
    session: dict = field(default_factory=dict)  # merged into session.update
    world: dict = field(default_factory=dict)
    moves: list = field(default_factory=list)  # of each call
    calls: int = 1
    stops_at: float | None = None  # seconds from the beginning
    killed_at: float | None = None


@dataclass
class Told:
    """A record, when it was handed on, and after which of the messages."""

    record: object
    at: int
    order: int


@dataclass
class Played:
    """What a case left behind, and what was true."""

    case: Case
    workload: Workload
    world: World
    endpoint: Endpoint
    truths: list
    wires: list
    turns: list
    sessions: list
    refolded: list  # turns as their tapes tell them, beside those recorded
    errors: list  # log records
    open_transports: int


class _Errors(logging.Handler):
    def __init__(self):
        super().__init__(logging.ERROR)
        self.records = []

    def emit(self, record):
        self.records.append(record.getMessage() + repr(record.exc_info))


def play(case):
    """Let the calls of a case happen, one after the other."""
    world = World(case.seed, **case.world)
    truths, turns, sessions, refolded = [], [], [], []
    endpoint = Endpoint(parse_settings({"seed": str(case.seed), **case.simulator}), truths.append)
    exchange = Exchange(world, endpoint)
    workload = parse_workload({"pause": "10ms", **case.workload})
    if case.session:
        workload = msgspec.structs.replace(workload, session=case.session)
    begin, errors = world.now, _Errors()
    if case.killed_at is not None:
        world.kill_at = begin + round(case.killed_at * 1e9)

    def stopping():
        return case.stops_at is not None and world.now >= begin + round(case.stops_at * 1e9)

    def told(to):
        return lambda record: to.append(Told(record, world.now, next(world.order)))

    logging.getLogger().addHandler(errors)
    try:
        with world.holding(exchange.connect):
            for number in range(case.calls):
                call = Call(
                    parse_endpoint(URL, model=workload.model, dialect=workload.dialect),
                    workload,
                    corpus=in_noise(load_corpus(), workload.noise, workload.snr),
                    identity=Identity(run="r", caller=1, call=number, model=workload.model),
                    rng=random.Random(f"{case.seed}/{number}"),
                    on_turn=told(turns),
                    on_session=told(sessions),
                    stopping=stopping,
                    on_tape=lambda tape, _: refolded.append((tape.turn, _folded_again(tape))),
                )
                with suppress(CallEnded, GreenletExit):
                    _converse(call, case.moves)
            world.kill_at = None
            world.run(world.now + 30_000_000_000, lambda: False)
    finally:
        logging.getLogger().removeHandler(errors)
    return Played(
        case=case,
        workload=workload,
        world=world,
        endpoint=endpoint,
        truths=truths,
        wires=exchange.wires,
        turns=turns,
        sessions=sessions,
        refolded=refolded,
        errors=errors.records,
        open_transports=len(census().transports),
    )


def _folded_again(tape):
    """The turn that its tape tells of, from a file."""
    with NamedTemporaryFile() as file:
        path = Path(file.name)
        path.write_bytes(write_tape(tape))
        return replay(read_tape(path))


def _converse(call, moves):
    with call:
        for verb, *details in moves:
            match verb:
                case "say":
                    what, listen = details
                    call.say(what, listen=listen)
                case "text":
                    call.send_text("Hello there.", listen=details[0])
                case "greet":
                    call.greet()
                case "pause":
                    call.pause(details[0])
                case "leave":
                    raise CallEnded("the test has enough")


def draw(seed):
    """The case of a seed."""
    return _Draw(seed).case()


class _Draw:
    def __init__(self, seed):
        self.seed = seed
        self.rng = random.Random(f"case/{seed}")

    def chance(self, share):
        return self.rng.random() < share

    def one(self, *choices):
        return self.rng.choice(choices)

    def case(self):
        case = Case(
            seed=self.seed,
            simulator=self.simulator(),
            workload=self.workload(),
            world=self.world(),
            moves=[self.move() for _ in range(self.rng.randint(1, 6))],
            calls=self.one(1, 1, 1, 2),
        )
        self.tools(case)
        if self.chance(0.1):
            case.stops_at = self.rng.uniform(0.1, 15)
        if self.chance(0.07):
            case.killed_at = self.rng.uniform(0.05, 15)
        return case

    def simulator(self):
        options = {
            "ttfa": self.one("0ms", "50ms", "300ms", "uniform(10ms, 2s)", "3s"),
            "answer": self.one("100ms", "1s", "uniform(200ms, 4s)", "uniform(200ms, 2s)"),
            "answer_audio": self.one("tone", "tone", "speech", "silence"),
            "delta_ms": self.one("20", "100", "100", "250"),
            "speed": self.one("0", "1", "1", "4", "4", "0.5"),
        }
        if self.chance(0.3):
            options["jitter"] = self.one("uniform(0ms, 50ms)", "uniform(0ms, 400ms)")
        if self.chance(0.2):
            options["silence_ms"] = self.one("30", "200", "1000")
        if self.chance(0.2):
            options["stall_rate"] = self.one("0.3", "1")
            options["stall"] = self.one("uniform(200ms, 2s)", "6s")
        if self.chance(0.1):
            options["session_cap"] = self.one("3s", "8s", "15s")
        if self.chance(0.06):
            options["requests_per_minute"] = self.one("1", "2", "4")
        if self.chance(0.04):
            options["tokens_per_minute"] = self.one("50", "400")
        if self.chance(0.04):
            options["capacity"] = "1"
        if self.chance(0.1):
            options["beta"] = self.one("always", "always", "refused")
        if self.chance(0.45):
            options["fault"] = [self.fault() for _ in range(self.one(1, 1, 1, 2))]
        return options

    def fault(self):
        rate = self.one("20%", "50%", "50%")
        names = ("response.created", "response.done", "response.output_audio.delta",
                 "response.output_item.added", "input_audio_buffer.speech_stopped",
                 "input_audio_buffer.committed", "response.function_call_arguments.done",
                 "response.output_item.done", "session.updated")  # fmt: skip
        event = self.one("*", *names, self.one(*SERVER_EVENTS))
        if event == "*" or event.endswith("delta"):
            rate = self.one("1%", "10%")
        what = self.one(
            *("refuse:503", "refuse:429", "hold", "reject", "reject:server_error", "no-session"),
            *("hang-up", "hang-up:1000", "hang-up:1011", "slow-read:1s", "slow-read:200ms"),
            *("disconnect", "disconnect:1000", "disconnect:1011"),
            *("no-answer", "no-answer", "stop", "stop", "fail", "fail", "fail:rate_limit_exceeded"),
            *("incomplete", "incomplete:max_output_tokens", "stale", "stale", "text-only"),
            *("text-only", "no-transcript"),
            *(f"{name}:{event}" for name in ("drop", "delay", "duplicate", "cut", "corrupt")),
            *(f"{name}:{event}" for name in ("drop", "delay", "duplicate", "fragment")),
            *("oversize:response.output_audio.delta",),
        )
        if what.partition(":")[0] in ("refuse", "hold", "reject", "no-session", "oversize"):
            rate = "10%"
        return f"{what}={rate}"

    def workload(self):
        options = {
            "turn_detection": self.one("none", "none", "none", "server_vad", "semantic_vad"),
            "listen": self.one("playback", "playback", "done"),
            "frame_ms": self.one("20", "100", "100", "200", "60"),
            "jitter_buffer": self.one("0ms", "100ms", "100ms", "400ms"),
            "pause": self.one("0ms", "10ms", "400ms", "2s"),
        }
        if self.chance(0.2):
            options["audio_format"] = self.one("pcmu", "pcma")
        if self.chance(0.15):
            options["speaks_first"] = "yes"
        if self.chance(0.15):
            options["transcription"] = "gpt-4o-transcribe"
        if self.chance(0.25):
            options["barge_in_rate"] = self.one("0.3", "0.7", "1")
        if self.chance(0.1):
            options["patience"] = self.one("500ms", "2s", "5s")
        if self.chance(0.1):
            options["renew"] = "yes"
        if self.chance(0.1):
            options["dialect"] = self.one("beta", "azure-preview", "azure")
        if self.chance(0.1):
            options["noise"] = self.one("white", "babble")
        if self.chance(0.35):
            phase = self.one("detection", "first_audio", "stall", "response", "tool", "close")
            options[f"timeout_{phase}"] = self.one("50ms", "300ms", "1s", "2s")
        return options

    def tools(self, case):
        rng_share = self.rng.random()
        if rng_share < 0.3:
            case.workload["tool_rate"] = self.one("0.5", "1")
            case.workload["tool_latency"] = self.one("0ms", "200ms", "uniform(0ms, 2s)", "5s")
            case.workload["tool_failure_rate"] = self.one("0", "0.5")
            case.workload["tool_rounds"] = self.one("1", "2", "8")
            case.simulator["tool_calls"] = self.one("1", "1", "3")
            case.simulator["tool_rate"] = self.one("0.3", "1")
            case.simulator["filler_rate"] = self.one("0", "0.5", "1")
            if self.chance(0.3):
                case.workload["tool_choice"] = self.one("auto", "required")
        if rng_share < 0.06 or rng_share > 0.94:
            case.session["tools"] = [{**MCP, "require_approval": self.one("never", "always")}]
            case.simulator["mcp_delay"] = self.one("0ms", "300ms", "2s")
            case.simulator["mcp_failure_rate"] = self.one("0", "0.5")
            case.simulator["tool_rate"] = self.one("0.5", "1")
        if self.chance(0.04):
            case.session["output_modalities"] = ["text"]
        if self.chance(0.04):
            case.session["max_output_tokens"] = self.one(1, 20)
        if case.workload.get("dialect") in ("beta", "azure-preview"):
            return
        detection = case.workload["turn_detection"]
        if detection != "none" and self.chance(0.2):
            more = self.one(
                {"create_response": False}, {"interrupt_response": False},
                {"create_response": False, "interrupt_response": False},
            )  # fmt: skip
            case.session["audio"] = {"input": {"turn_detection": {"type": detection, **more}}}
        elif detection == "server_vad" and self.chance(0.2):
            more = self.one({"idle_timeout_ms": 5000}, {"silence_duration_ms": 200})
            case.session["audio"] = {"input": {"turn_detection": {"type": detection, **more}}}

    def world(self):
        world = {"latency": self.one(0.0, 0.1, 5.0, 40.0, 150.0)}
        if self.chance(0.3):
            world["stalls"] = self.one(0.2, 2.0)
            world["stall"] = self.one(30.0, 300.0)
        if self.chance(0.3):
            world["sloth"] = self.one(1.0, 30.0)
        return world

    def move(self):
        roll = self.rng.random()
        listen = self.one(None, None, None, 0.0, 0.05, 0.3, 1.0, 3.0)
        if roll < 0.72:
            return ("say", self.one(*BRIEF, *BRIEF, *LONG), listen)
        if roll < 0.82:
            return ("text", listen)
        if roll < 0.87:
            return ("greet",)
        if roll < 0.98:
            return ("pause", self.rng.choice((0.01, 0.5, 3.0, 7.0)))
        return ("leave",)
