"""Whether a share lies under its limit, decided turn by turn: a sequential test."""

import math
from collections.abc import Hashable

__all__ = ["ShareTest"]

FEWEST_BLOCKS = 8  # of each kind; fewer don't tell how much they vary


class ShareTest:
    """
    Wald's sequential probability ratio test of a share of bad turns.

    The share is held to be good at half the odds of its limit, bad at twice them; between, either
    answer is right. With ``strict`` it is good at its limit, too. Each turn multiplies the odds of
    bad against good, and the test ends as soon as these leave ``error`` to be wrong (Wald,
    Sequential Tests of Statistical Hypotheses, 1945). It may be looked at after each turn.

    Turns of one call, and turns of the same seconds, share their fate: a hundred of them prove
    less than a hundred alone. The logarithm of the odds is divided by how much more the sums of
    such blocks vary than those of turns alone would: the dispersion of a quasi-likelihood
    (McCullagh and Nelder, Generalized Linear Models, 1989).

    Args:
        limit: The share of bad turns allowed, between 0 and 1.
        error: The chance of a wrong answer, on either side.
        strict: Whether a share at its limit must not be called bad more often than that.

    Attributes:
        count: Turns so far.
        bad: Bad ones among them.

    """

    def __init__(self, limit: float, *, error: float = 0.05, strict: bool = False) -> None:
        odds = limit / (1 - limit)
        good, bad = limit if strict else _share(odds / 2), _share(odds * 2)
        self._if_bad = math.log(bad / good)
        self._if_good = math.log((1 - bad) / (1 - good))
        self._beyond = math.log((1 - error) / error)
        self._blocks: tuple[dict[Hashable, list[int]], ...] = ()
        self.count = 0
        self.bad = 0

    def add(self, bad: bool, *blocks: Hashable) -> None:
        """
        One more turn.

        Args:
            bad: Whether it is.
            blocks: Of each kind (its call, its seconds), which one it belongs to.

        """
        self.count += 1
        self.bad += bad
        self._blocks = self._blocks or tuple({} for _ in blocks)
        for known, block in zip(self._blocks, blocks, strict=True):
            sums = known.setdefault(block, [0, 0])
            sums[0] += 1
            sums[1] += bad

    @property
    def share(self) -> float | None:
        """Of bad turns so far; ``None`` while there is none."""
        return self.bad / self.count if self.count else None

    @property
    def dispersion(self) -> float:
        """How much more blocks vary than turns alone would; at least 1."""
        share = self.share
        if not share or share == 1:
            return 1.0
        return max([1.0, *(_dispersion(known, share) for known in self._blocks)])

    @property
    def evidence(self) -> float:
        """How much speaks for bad: 1 decides, -1 decides for good."""
        odds = self.bad * self._if_bad + (self.count - self.bad) * self._if_good
        return odds / self.dispersion / self._beyond

    @property
    def holds(self) -> bool | None:
        """Whether the share is under its limit; ``None`` while that is undecided."""
        if any(len(known) < FEWEST_BLOCKS for known in self._blocks):
            return None
        evidence = self.evidence
        return None if abs(evidence) < 1 else evidence < 0


def _share(odds: float) -> float:
    return odds / (1 + odds)


def _dispersion(blocks: dict[Hashable, list[int]], share: float) -> float:
    """The variance of blocks' sums over that of as many turns alone."""
    if len(blocks) < 2:
        return 1.0
    varied = sum((bad - n * share) ** 2 for n, bad in blocks.values())
    alone = sum(n for n, _ in blocks.values()) * share * (1 - share)
    return varied / alone * len(blocks) / (len(blocks) - 1)
