"""What a request is answered with: an upgrade, a refusal, a page, or nothing at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harness.simulator.access import Access, Admitted, Denied
from harness.simulator.pages import Page, page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.simulator.endpoint import Endpoint
    from harness.simulator.faults import Fault

__all__ = ["Door", "Held"]

_RETRY = 5  # seconds after which one who was refused may come again
_REFUSALS = {
    "401": Denied(401, "invalid_api_key", "Incorrect API key provided."),
    "403": Denied(403, "permission_denied", "You do not have access to this."),
    "429": Denied(429, "rate_limit_exceeded", "Too many requests.", _RETRY),
    "503": Denied(503, "server_overloaded", "The server is overloaded.", _RETRY),
}


class Held(msgspec.Struct, frozen=True):
    """The handshake is never answered."""


class Door:
    """
    Who comes in, and by which way who doesn't is sent off.

    Args:
        endpoint: Whose sessions begin here.
        access: Who may connect.

    """

    def __init__(self, endpoint: Endpoint, access: Access) -> None:
        self._endpoint = endpoint
        self._access = access

    def answer(
        self, target: str, headers: Mapping[str, str], at: int, now: int = 0
    ) -> Admitted | Denied | Held | Page:
        """
        Answer a GET.

        Args:
            target: Path and query.
            headers: Looked up without regard to case.
            at: When it came, ns.
            now: The same in seconds since 1970.

        """
        if (shown := page(target, self._endpoint.totals)) is not None:
            return shown
        answer = self._admission(target, headers, at, now)
        if isinstance(answer, Denied):
            self._endpoint.totals.refused += 1
        return answer

    def post(self, target: str, headers: Mapping[str, str], body: bytes, now: int) -> Denied | Page:
        """Answer a POST: client secrets alone can be asked for."""
        issued = self._access.issue(target, headers, body, now)
        return issued if isinstance(issued, Denied) else Page(msgspec.json.encode(issued))

    def _admission(
        self, target: str, headers: Mapping[str, str], at: int, now: int
    ) -> Admitted | Denied | Held:
        admission = self._access.admit(target, headers, now)
        if isinstance(admission, Denied):
            return admission
        if self._endpoint.full and self._endpoint.settings.when_full == "429":
            return Denied(429, "session_limit_reached", "There are too many sessions.", _RETRY)
        fault = self._endpoint.shake_hands(at)
        return admission if fault is None else _sent_off(fault)


def _sent_off(fault: Fault) -> Denied | Held:
    return Held() if fault.name == "hold" else _REFUSALS[fault.detail]
