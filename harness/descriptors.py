"""As many open connections as the system lets this process have."""

import resource
from contextlib import suppress

__all__ = ["allow_descriptors"]

MANY = 10_240
"""Open files, where the system names no limit and still has one, as macOS does."""


def allow_descriptors() -> None:
    """
    Raise the soft limit of open files to the hard one.

    A session is a descriptor, and many systems begin with a soft limit of 1024.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(soft, MANY) if hard == resource.RLIM_INFINITY else hard
    with suppress(ValueError, OSError):  # then it stays as it is
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
