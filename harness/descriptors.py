"""As many open connections as the system lets this process have."""

import resource
from contextlib import suppress

__all__ = ["allow_descriptors"]


def allow_descriptors() -> None:
    """
    Raise the soft limit of open files to the hard one.

    A session is a descriptor, and many systems begin with a soft limit of 1024.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS allows less than its hard limit says
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
