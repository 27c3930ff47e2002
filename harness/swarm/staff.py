"""Which users of a process stay, and how many each worker has, where Locust itself loses count."""

from collections.abc import Iterator
from typing import Any

import gevent.pool
from locust.dispatch import UsersDispatcher
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING

__all__ = ["Dispatcher", "count_leavers_as_gone", "leavers"]


class Dispatcher(UsersDispatcher):
    """
    Locust's, which says when it is done.

    Once a worker has joined, Locust's takes itself to be at work for ever: the users of a worker
    that then quits are given to nobody, and one that returns is not told how many it has.
    """

    def _dispatcher(self) -> Iterator[Any]:  # type: ignore[override]
        yield from super()._dispatcher()
        self._dispatch_in_progress = False


class _LeaversFirst(gevent.pool.Group):
    """Greenlets of users: Locust stops the first it finds, and those who leave anyway are first."""

    def __iter__(self) -> Iterator[Any]:
        return iter(sorted(self.greenlets, key=lambda greenlet: not _leaves(greenlet)))


def _leaves(greenlet: Any) -> bool:
    # The arguments of one that has just ended are gone.
    return bool(greenlet.args) and greenlet.args[0]._state == LOCUST_STATE_STOPPING


def leavers(runner: Any) -> list[Any]:
    """Greenlets of users who were told to stop, and hear their last answers out."""
    return [greenlet for greenlet in tuple(runner.user_greenlets) if _leaves(greenlet)]


def count_leavers_as_gone(runner: Any) -> None:
    """
    Let a process with users have as many as it is told, though told anew while some leave.

    Locust takes users who leave for users who are there: told of more it begins too few, told of
    fewer it stops the same again, and is left with too few or too many. Here those who leave stay
    when they are wanted again.

    Args:
        runner: Of a local or a worker process, before it has users.

    """
    runner.user_greenlets = _LeaversFirst()
    stop_users = runner.stop_users

    def stop_as_many(counts: dict[str, int]) -> None:
        left = dict(counts)
        for greenlet in leavers(runner):
            user = greenlet.args[0]
            name = type(user).__name__
            if left.get(name, 0) > 0:
                left[name] -= 1
            else:
                user._state = LOCUST_STATE_RUNNING
        stop_users(counts)

    runner.stop_users = stop_as_many
