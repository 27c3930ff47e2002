"""
How long each side of a swarm may be silent before the other acts.

A worker that is cut off from its master goes on calling; a master that holds a worker for missing
may give its users to others. So that no user is there twice, workers hang up first.
"""

__all__ = ["HASTE", "LIVENESS", "MASTER_SILENT", "REPLACED_AFTER", "WORKER_SILENT"]

MASTER_SILENT = 6.0
"""Seconds without a word of the master after which a worker hangs up and ends."""

HASTE = 0.5
"""Seconds for running answers to end when it does."""

LIVENESS = 6
"""
Beats, of a second each, that Locust's master counts down after one of a worker's.

It looks once a beat, and holds the worker for missing when it finds the count below zero: seven to
eight seconds after the last beat. By itself it counts three, and takes four or five.
"""

WORKER_SILENT = LIVENESS + 2.0
"""Seconds without a word of a worker after which the master surely holds it for missing."""

REPLACED_AFTER = 60
"""Beats after which a missing worker's users are given to others though nobody asked for it."""
