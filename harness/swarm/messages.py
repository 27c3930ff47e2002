"""Names of our own messages between workers and master, and what they carry."""

__all__ = ["ARRIVALS", "BUDGET", "CALLERS", "CUT", "FINAL", "READY", "RUN", "TROUBLE", "USERS"]

READY = "realtime_ready"
"""Worker to master: it can hear what the master says, from its orders to \"quit\"."""

RUN = "realtime_run"
"""Master to workers, before a run's first users: ``run``, ``given_hosts``."""

CALLERS = "realtime_callers"
"""Worker to master: ``run``, and ``want`` (how many) or ``free`` (numbers). Back: ``numbers``."""

BUDGET = "realtime_budget"
"""Worker to master: ``run``, and its ``claim``. Back: ``run``, and the ``grant``."""
ARRIVALS = "realtime_arrivals"
"""Worker to master: ``run``, a ``report`` of its desk. Back: ``run``, ``orders`` of due calls."""

FINAL = "realtime_final"
"""Worker to master: a report as Locust's own, with the last parcel of a run."""

USERS = "realtime_users"
"""Worker to master, once a second: ``user_classes_count``, as in a report."""

CUT = "realtime_cut"
"""Master to workers: end the calls of users who are told to stop, in mid-turn."""

TROUBLE = "realtime_trouble"
"""Worker to master: ``worker`` can't go on, and the ``reason`` in one line."""
