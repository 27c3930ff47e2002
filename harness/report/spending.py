"""What a run used and cost, also where a worker was lost or a model has no price."""

from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from harness.cost import tokens
from harness.records import Outcome
from harness.report.concurrency import open_spans
from harness.report.load import FILES, Run
from harness.report.sessions import TOKEN_COLUMNS
from harness.report.units import CALL, PART_TURNS

__all__ = ["cost_of", "spending"]

GOOD = [Outcome.COMPLETED.value, Outcome.CANCELLED.value]


class _Used(msgspec.Struct):
    """What a turn used."""

    usage: dict[str, Any] | None = None


def cost_of(run: Run) -> float | None:
    """
    What the run cost, in USD; ``None`` where no price is known.

    A session says at its end what it cost, its turns' and what was told after them; where that end
    is not recorded, as of a killed worker, its turns say it.
    """
    turns, sessions = run.turns["cost_usd"], run.sessions["cost_usd"]
    by_session = pd.concat([sessions, turns[_of_open_sessions(run)]])
    priced = [float(cost.sum()) for cost in (turns, by_session) if cost.notna().any()]
    return max(priced, default=None)


def _of_open_sessions(run: Run) -> np.ndarray:
    """Of each turn, whether the end of its session is not recorded."""
    found = np.zeros(len(run.turns), dtype=bool)
    unended = run.sessions.loc[~run.sessions["ended"], [*CALL, "t"]].astype({"worker": object})
    rows = np.flatnonzero(run.turns["worker"].isin(unended["worker"].unique()))
    # A call has one session after the other: one without end is its last.
    begun = unended.groupby(CALL)["t"].max()
    calls, t = run.turns[CALL], run.turns["t"].to_numpy()
    for some in np.split(rows, range(PART_TURNS, len(rows), PART_TURNS)):
        asked = pd.MultiIndex.from_frame(calls.iloc[some].astype({"worker": object}))
        found[some] = t[some] >= begun.reindex(asked).to_numpy()
    return found


def _tokens(run: Run) -> Counter[str]:
    """Tokens by kind; whose session's end is not recorded, by what its turns say."""
    used = Counter({kind: int(run.sessions[name].sum()) for kind, name in TOKEN_COLUMNS.items()})
    rows = np.flatnonzero(_of_open_sessions(run))
    if len(rows):
        decoder = msgspec.json.Decoder(_Used)
        with (run.path / FILES[0]).open("rb") as file:
            for offset in run.offsets[rows]:
                file.seek(int(offset))
                used.update(tokens(decoder.decode(file.readline()).usage or {}))
    return used


def spending(run: Run, usd: float | None) -> dict[str, Any]:
    """
    What the run used and cost, and by turn and minute; good minutes as in ``RUN_FIGURES``.

    Of ``unpriced_turns`` usage is known and no price: what is said of money is the least it was.
    """
    used = _tokens(run)
    good = run.turns["outcome"].isin(GOOD)
    starts, ends = open_spans(run)
    whole = {
        "per_turn": float(len(run.turns)),
        "per_session_minute": float((ends - starts).sum()) / 60,
        "per_good_minute": float(run.turns.loc[good, "audio_heard_s"].sum()) / 60,
    }
    return {
        "usd": usd,
        "free": run.meta.get("paid") is False,
        "unpriced_turns": int(run.turns["unpriced"].sum()),
        "tokens": {kind: n for kind, n in used.items() if n},
        **{name: usd / n if usd is not None and n else None for name, n in whole.items()},
    }
