"""What a command tells its user instead of a traceback."""

__all__ = ["CommandError"]


class CommandError(Exception):
    """Something the user can mend: printed as one line, exit code 2."""
