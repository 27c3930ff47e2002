"""The dashboard of the generator: whether the harness itself keeps up, worker by worker."""

from grafana_foundation_sdk.models import dashboard as model

from dashboards.board import GENERATOR, SO_FAR, Board
from dashboards.panels import Target, graph, heat, number, steps
from dashboards.trust import VERDICT_WORDS, level, limit

__all__ = ["generator"]


def generator() -> model.Dashboard:
    """One dashboard for all workers of a swarm."""
    board = Board(
        "Realtime voice load: generator",
        "realtime-generator",
        "Whether the load generator keeps speaking pace, reads in time and has room left.",
    )
    board.filter_workers()
    board.row("Swarm", *_swarm())
    board.row("Speaking and reading in time", *_lags())
    board.row("Spread over the bounds", *_spread())
    return board.build()


def _swarm():
    over = f"clamp_min({SO_FAR.now('users')} - {SO_FAR.now('users_target')}, 0)"
    suspect = f"{SO_FAR.now('suspect_turns')} / {SO_FAR.now('turns')}"
    return (
        number("Measurement", "none", Target(level(SO_FAR)), words=VERDICT_WORDS,
               note="The verdict's rules that can be told live, over the run so far."),
        number("Missing workers", "short", Target(SO_FAR.now("workers", state="missing")),
               limits=steps("green", (1, "red"))),
        number("Over target", "short", Target(over), note="More users than asked for.",
               limits=steps("green", (1, "red"))),
        number("Suspect turns", "percentunit", Target(suspect), note="Of the run so far.",
               limits=steps("green", (limit("suspect_turns"), "orange"))),
        number("Frame lateness p99, run", "s",
               Target(SO_FAR.quantile_so_far(0.99, "frame_lateness")),
               limits=_lag_steps("frame_lateness", "frame_lateness_invalid")),
        number("Read lag p99, run", "s", Target(SO_FAR.quantile_so_far(0.99, "read_lag")),
               limits=_lag_steps("read_lag")),
        graph("Workers by state", "short", Target(SO_FAR.now("workers", "state"), "{{state}}")),
        graph("Users", "short", Target(SO_FAR.now("users_target"), "target"),
              Target(SO_FAR.now("users"), "users")),
        graph("CPU", "percentunit", Target(GENERATOR.now("cpu", "worker"), "{{worker}}"),
              note="Above 0.7 of a core calls begin to be late: add workers."),
    )  # fmt: skip


def _lag_steps(suspect: str, invalid: str | None = None):
    above = [(limit(suspect), "orange")]
    if invalid:
        above.append((limit(invalid), "red"))
    return steps("green", *above)


def _lags():
    titles = {
        "frame_lateness": "Frame lateness",
        "hub_lag": "Hub lag",
        "read_lag": "Read lag",
    }
    return tuple(
        graph(
            f"{title}, {which}",
            "s",
            Target(GENERATOR.quantile(q, name, "worker"), "{{worker}}"),
        )
        for q, which in ((0.5, "p50"), (0.99, "p99"))
        for name, title in titles.items()
    )


def _spread():
    return tuple(
        heat(title, "s", Target(GENERATOR.buckets(name), "{{le}}"))
        for name, title in (
            ("frame_lateness", "Frame lateness"),
            ("hub_lag", "Hub lag"),
            ("read_lag", "Read lag"),
        )
    )
