"""What simulated workers are told to do, and what they say they did."""

import msgspec

__all__ = ["REPORT_EVERY", "Job", "Said"]

REPORT_EVERY = 3.0
"""Seconds between a worker's reports: Locust's own interval."""


class Job(msgspec.Struct, frozen=True):
    """What the simulated workers are to do."""

    port: int
    workers: int
    sessions: int  # of each
    reports: int  # of each, at most
    scenarios: int  # that its callers play: each is a label of every histogram


class Said(msgspec.Struct, frozen=True):
    """What they did, and how soon the master answered."""

    turns: int
    reports: int
    heartbeats_s: list[float]  # from each heartbeat to the master's answer
    late_s: float  # the latest report, after it was due
