"""What a run says beyond its latencies: listening, interruptions, limits met, money, scenarios."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from harness.cost import tokens
from harness.metrics import TURN_METRICS
from harness.realtime.errors import RATE_LIMIT_CODES, http_code
from harness.records import TURN_FAILURES, Flag, Outcome
from harness.report.load import Run
from harness.report.stats import Sample, figures, is_unanswered, take_sample

__all__ = ["interruptions", "listening", "rate_limits", "scenarios", "spending"]

LIMITED = [*RATE_LIMIT_CODES, http_code(429)]
GOOD = [Outcome.COMPLETED.value, Outcome.CANCELLED.value]
TTFA = next(metric for metric in TURN_METRICS if metric.name == "ttfa")


def listening(run: Run) -> dict[str, Any]:
    """How answers sounded; ``rtf`` is a share: under 1 they came faster than they played."""
    answers = run.turns[run.turns["audio_received_s"] > 0]
    rtf = np.sort(answers["rtf"].dropna().to_numpy())
    return {
        "answers": len(answers),
        "with_gaps": int((answers["gaps"] > 0).sum()),
        "with_dead_air": int((answers["dead_air"] > 0).sum()),
        "rtf": figures(Sample(rtf)),
    }


def interruptions(run: Run) -> dict[str, Any]:
    """How often answers were talked over, and what of them came all the same, in seconds."""
    over = run.turns[run.turns[Flag.INTERRUPTED.value]]
    running = int(over["interrupt_stop"].notna().sum())
    return {
        "turns": len(over),
        "running": running,
        "after_done": len(over) - running,
        "overtalk_s": float(over["overtalk"].sum()),
        "stale_audio_s": float(run.sessions["stale_audio_s"].sum()),
    }


def rate_limits(run: Run, concurrency: "pd.Series[float]") -> dict[str, Any]:
    """How often the endpoint said that it was too much, and from when on; ``None``: never."""
    turns = run.turns[run.turns["outcome"] == Outcome.RATE_LIMITED.value].sort_values("t")
    refused = run.sessions[run.sessions["code"].isin(LIMITED)]
    begun = [float(frame["t"].min()) for frame in (turns, refused) if len(frame)]
    return {
        "turns": len(turns),
        "sessions": len(refused),
        "from_s": min(begun, default=None),
        "concurrency": int(concurrency.iloc[turns.index[0]]) if len(turns) else None,
    }


def spending(run: Run, usd: float | None) -> dict[str, Any]:
    """What the run used and cost, and by turn and minute; good minutes as in ``RUN_FIGURES``."""
    used: Counter[str] = Counter()
    for usage in run.sessions["usage"]:
        used.update(tokens(usage) if usage else {})
    good = run.turns["outcome"].isin(GOOD)
    lengths = run.sessions["t_end"].fillna(run.duration_s) - run.sessions["t"]
    whole = {
        "per_turn": float(len(run.turns)),
        "per_session_minute": float(lengths.sum()) / 60,
        "per_good_minute": float(run.turns.loc[good, "audio_heard_s"].sum()) / 60,
    }
    return {
        "usd": usd,
        "tokens": {kind: n for kind, n in used.items() if n},
        **{name: usd / n if usd is not None and n else None for name, n in whole.items()},
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
        for name, turns in run.turns.groupby("scenario", observed=True)
    ]
