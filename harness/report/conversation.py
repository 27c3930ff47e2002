"""What a run says beyond its latencies: listening, interruptions, limits met, scenarios."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from harness.metrics import TURN_FIGURES, TURN_METRICS
from harness.realtime.codes import RATE_LIMIT_CODES, http_code
from harness.records import TURN_FAILURES, Flag, Outcome
from harness.report.load import Run
from harness.report.stats import Sample, figures, is_unanswered, sample_columns, take_sample

__all__ = ["heard", "interruptions", "listening", "rate_limits", "scenarios"]

LIMITED = [*RATE_LIMIT_CODES, http_code(429)]
TTFA = next(metric for metric in TURN_METRICS if metric.name == "ttfa")


def listening(run: Run) -> dict[str, Any]:
    """How answers sounded; ``rtf`` is a share: under 1 they came faster than they played."""
    heard = run.turns["audio_received_s"] > 0
    answers = run.turns.loc[heard, ["rtf", "gaps", "dead_air"]]
    rtf = np.sort(answers["rtf"].dropna().to_numpy())
    return {
        "answers": len(answers),
        "with_gaps": int((answers["gaps"] > 0).sum()),
        "with_dead_air": int((answers["dead_air"] > 0).sum()),
        "rtf": figures(Sample(rtf)),
    }


def heard(run: Run) -> dict[str, Any]:
    """What else is known of turns that were answered, by figure: those that some turn has."""
    answered = run.turns["audio_received_s"] > 0
    values = {
        m.name: np.sort(run.turns.loc[answered, m.name].dropna().to_numpy()) for m in TURN_FIGURES
    }
    return {name: figures(Sample(sample)) for name, sample in values.items() if len(sample)}


def interruptions(run: Run) -> dict[str, Any]:
    """How often answers were talked over, and what of them came all the same, in seconds."""
    over = run.turns.loc[run.turns[Flag.INTERRUPTED.value], ["interrupt_stop", "overtalk"]]
    running = int(over["interrupt_stop"].notna().sum())
    return {
        "turns": len(over),
        "running": running,
        "after_done": len(over) - running,
        "overtalk_s": float(over["overtalk"].sum()),
        "stale_audio_s": float(run.sessions["stale_audio_s"].sum()),
    }


def rate_limits(run: Run, concurrency: "pd.Series[int]") -> dict[str, Any]:
    """How often the endpoint said that it was too much, and from when on; ``None``: never."""
    limited = run.turns["outcome"] == Outcome.RATE_LIMITED.value
    turns = run.turns.loc[limited, ["t"]].sort_values("t")
    refused = run.sessions[run.sessions["code"].isin(LIMITED)]
    begun = [float(frame["t"].min()) for frame in (turns, refused) if len(frame)]
    return {
        "turns": len(turns),
        "sessions": len(refused),
        "from_s": min(begun, default=None),
        "concurrency": int(concurrency.iloc[turns.index[0]]) if len(turns) else None,
        "ramp_delay_s": run.meta.get("ramp_delay_s") or 0.0,
    }


def scenarios(run: Run) -> list[dict[str, Any]]:
    """A row a scenario: its turns, failures and time to first audio."""
    return [
        {
            "scenario": str(name),
            "turns": len(turns),
            "failed": int(turns["outcome"].isin(list(TURN_FAILURES)).sum()),
            "unanswered": int(is_unanswered(turns).sum()),
            "tools": int(turns["has_tools"].sum()),
            "ttfa": figures(take_sample(turns, TTFA)),
        }
        for name, turns in _by_scenario(run.turns)
    ]


def _by_scenario(turns: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The turns of each scenario, one after the other: they may be many."""
    for name in sorted(turns["scenario"].dropna().unique()):
        yield str(name), turns.loc[turns["scenario"] == name, sample_columns(TTFA)]
