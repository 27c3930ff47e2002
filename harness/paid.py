"""Which hosts cost money, and what has to be known before one of them is called."""

import socket
from collections.abc import Callable, Collection, Iterable
from ipaddress import ip_address

from harness.cost import load_prices
from harness.realtime.endpoint import Endpoint
from harness.workload import Workload

__all__ = ["addresses_of", "check_money", "is_paid"]


def is_paid(
    endpoint: Endpoint,
    free: Collection[str] = (),
    resolve: Callable[[str], Collection[str]] | None = None,
) -> bool:
    """
    Whether it may cost money to call ``endpoint``.

    A vendor's host costs, wherever its name leads: it may be reached through a private network.
    Any other costs unless it is on this machine, in a private network by all its addresses, or
    named in ``free``. A name that leads nowhere from here is believed what it says: a worker may
    know more.

    Args:
        endpoint: Whom to call.
        free: Names of hosts that cost nothing.
        resolve: Gives the addresses of a name, none if it has none; default: the system's.

    """
    if endpoint.host in free:
        return False
    if endpoint.vendor:
        return True
    if endpoint.loopback:
        return False
    addresses = (resolve or addresses_of)(endpoint.host)
    return not all(map(_is_private, addresses)) if addresses else not endpoint.private


def check_money(
    endpoints: Iterable[Endpoint],
    workload: Workload,
    resolve: Callable[[str], Collection[str]] | None = None,
) -> None:
    """
    See that money is spent knowingly: by a budget, and at known prices.

    Raises:
        ValueError: If a host costs money and no budget is given, or if there is a budget and a
            model without a price; one line.

    """
    for endpoint in endpoints:
        if workload.max_cost is None and is_paid(endpoint, workload.free, resolve):
            raise ValueError(
                f"{endpoint.target} costs money: say how much by --max-cost USD "
                f"(or --free {endpoint.host}, if it costs nothing)"
            )
    if workload.max_cost is not None:
        _check_prices(workload)


def _check_prices(workload: Workload) -> None:
    prices = workload.prices or load_prices()
    price = prices.find(workload.model)
    if price is None or not price.of_answers:
        raise ValueError(_unpriced("model", workload.model))
    if workload.transcription and prices.find(workload.transcription) is None:
        raise ValueError(_unpriced("transcription model", workload.transcription))


def _unpriced(what: str, model: str) -> str:
    return (
        f"--max-cost: {what} {model!r} is unpriced, so a budget can't be kept: "
        "give a table that has it by --prices FILE"
    )


def addresses_of(host: str) -> list[str]:
    """The addresses a name leads to; none if it leads nowhere."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return sorted({str(place[0]).partition("%")[0] for _, _, _, _, place in found})


def _is_private(address: str) -> bool:
    found = ip_address(address)
    return found.is_private or found.is_link_local
