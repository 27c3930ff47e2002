"""Names of our own messages between workers and master, and what they carry."""

__all__ = [
    "ANNOUNCEMENT",
    "ARRIVALS",
    "AWAY",
    "BUDGET",
    "CALLERS",
    "CUT",
    "FINAL",
    "PARCEL",
    "PROBE",
    "READY",
    "RECEIVED",
    "TROUBLE",
    "USERS",
]

ANNOUNCEMENT = "realtime_run"
"""
No message, but an option among those that go with Locust's orders to spawn, so that no order comes
without it: ``run``, ``given_hosts``.
"""

READY = "realtime_ready"
"""Worker to master: ``worker`` can hear what the master says, from its orders to its "quit"."""

CALLERS = "realtime_callers"
"""
Worker to master: ``run``, and ``want`` (how many, by user class) or ``free`` (numbers).
Back: ``run``, and ``numbers`` (by user class), or ``revoked``: the worker was missing, and others
may have its numbers.
"""

BUDGET = "realtime_budget"
"""Worker to master: ``run``, and its ``claim``. Back: ``run``, and the ``grant``."""

ARRIVALS = "realtime_arrivals"
"""Worker to master: ``run``, a ``report`` of its desk. Back: ``run``, ``orders`` of due calls."""

FINAL = "realtime_final"
"""Worker to master: a report as Locust's own, with the last parcel of a run."""

PARCEL = "realtime_parcel"
"""Worker to master: a parcel once more, since nothing was heard of it."""

RECEIVED = "realtime_received"
"""Master to worker: parcel ``number`` of ``run`` is on its disk."""

PROBE = "realtime_probe"
"""Worker to master: ``run``, ``sent`` by its clock, ns. Back: these, and ``at`` by the master's."""

USERS = "realtime_users"
"""Worker to master, twice a second: ``user_classes_count``, as in a report."""

AWAY = "realtime_away"
"""Worker to master: this worker was frozen and has cut its calls; how many users has it now?"""

CUT = "realtime_cut"
"""Master to workers: end the calls of users who are told to stop, in mid-turn; ``all``: of all."""

TROUBLE = "realtime_trouble"
"""Worker to master: ``worker`` can't go on, and the ``reason`` in one line."""
