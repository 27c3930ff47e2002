"""TLS for an endpoint: a certificate that was given, or one made for the occasion."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from harness.errors import CommandError

__all__ = ["given", "self_made"]

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def given(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """
    TLS by files in PEM; without a key file, the key stands beside the certificate.

    Raises:
        CommandError: If they can't be used.

    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files = f"{certificate} and {key}" if key else f"{certificate}"
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise CommandError(
            f"{files} must hold a certificate and its private key, in PEM: {error.reason or error}"
        ) from None
    except OSError as error:
        raise CommandError(f"can't read {files}: {error.strerror}") from None
    return context


def self_made(authority: Path, host: str) -> ssl.SSLContext:
    """
    TLS by a certificate for ``host`` and this machine, from an authority made now.

    Args:
        authority: Where its certificate is written, for clients to trust.
        host: Where the endpoint listens.

    Raises:
        CommandError: If it can't be written, or ``host`` is no name.

    """
    import trustme

    made = trustme.CA()
    names = dict.fromkeys((*_LOOPBACK, socket.gethostname(), host))
    try:
        issued = made.issue_cert(*(name for name in names if name))
    except ValueError as error:
        raise CommandError(f"no certificate can name the host {host!r}: {error}") from None
    try:
        made.cert_pem.write_to_path(str(authority))
    except OSError as error:
        raise CommandError(f"can't write {authority}: {error.strerror}") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    return context
