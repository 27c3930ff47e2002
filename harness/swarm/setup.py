"""What a run is to do, read once at the edge: workload, corpus, and whom to call with which key."""

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from harness.corpus import Corpus, load_corpus
from harness.loads import Load, parse_load
from harness.noise import in_noise
from harness.options import OPTIONS, parse_option, parse_workload
from harness.paid import check_money, is_paid
from harness.realtime.dialects import DIALECTS, dialect_of
from harness.realtime.endpoint import Endpoint, parse_endpoint
from harness.realtime.keys import resolve_key
from harness.slo import parse_slo
from harness.utterances import CorpusError
from harness.workload import Workload

__all__ = ["Setup", "SetupError", "read_setup", "warm_up"]


class SetupError(ValueError):
    """The run can't start as asked; one line that says what to do."""


class Setup(msgspec.Struct, frozen=True):
    """All that callers of a process need to know, parsed."""

    workload: Workload
    corpus: Corpus
    endpoints: dict[str, Endpoint]  # by host as it was written
    load: Load = Load()

    @property
    def targets(self) -> str:
        """Whom it calls, as records say it."""
        return ", ".join(sorted({endpoint.target for endpoint in self.endpoints.values()}))

    @property
    def paid(self) -> bool:
        """Whether it may cost money to call them."""
        return any(is_paid(endpoint, self.workload.free) for endpoint in self.endpoints.values())

    @property
    def notices(self) -> list[str]:
        """What users must be told: secrets that are not sent, say."""
        return sorted({endpoint.notice for endpoint in self.endpoints.values()} - {""})


def read_setup(
    values: Mapping[str, Any],
    hosts: Collection[str],
    *,
    given_hosts: Collection[str],
    dials: bool = True,
    environ: Mapping[str, str] = os.environ,
) -> Setup:
    """
    Read what the options say.

    Args:
        values: Of the options, by name, as Locust's parser or its web form left them.
        hosts: Whom to call: one, or one of each user class.
        given_hosts: Those that were known at start; a key goes to no other.
        dials: Whether this process dials itself: a master needs no key.
        environ: Where keys and secret headers come from.

    Raises:
        SetupError: If that makes no sense.

    """
    if not hosts:
        raise SetupError("there is no host to call: name one with --host")
    try:
        workload = parse_workload(values)
        parse_slo(workload.slo)
        load = parse_load(values)
        workload = msgspec.structs.replace(
            workload, headers=(*_secret_headers(environ), *workload.headers)
        )
        endpoints = {host: _endpoint(host, workload, given_hosts, dials, environ) for host in hosts}
        check_money(endpoints.values(), workload)
        corpus = _corpus(workload)
    except (ValueError, CorpusError) as error:
        raise SetupError(str(error)) from None
    return Setup(workload, corpus, endpoints, load)


def warm_up(values: Mapping[str, Any]) -> None:
    """
    Do beforehand what would make the first callers late: load the corpus, make its messages.

    What is wrong with the options is not said here, but when a run begins with them.
    """
    with suppress(ValueError):
        workload = parse_workload(values)
        corpus = _corpus(workload)
        for utterance in corpus.utterances:
            corpus.speech(utterance, workload.audio_format, workload.frame_ms)


def _corpus(workload: Workload) -> Corpus:
    return in_noise(load_corpus(workload.corpus), workload.noise, workload.snr)


def _secret_headers(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    option = next(option for option in OPTIONS if option.flag == "--header")
    try:
        return tuple(parse_option(option, environ.get("REALTIME_HEADERS")) or ())
    except ValueError as error:
        raise ValueError(str(error).replace(option.flag, "REALTIME_HEADERS")) from None


def _endpoint(
    host: str,
    workload: Workload,
    given_hosts: Collection[str],
    dials: bool,
    environ: Mapping[str, str],
) -> Endpoint:
    try:
        key = resolve_key(DIALECTS[dialect_of(host, workload.dialect)].vendor, environ)
        return parse_endpoint(
            host,
            model=workload.model,
            dialect=workload.dialect,
            # A master dials nobody: whether there is a key is for its workers to say.
            api_key=key or ("" if dials else "of the workers"),
            headers=workload.headers,
            ca_file=workload.ca_file,
            auth=workload.auth,
            given_host=None if host in given_hosts else next(iter(given_hosts), ""),
            send_key_to=workload.send_key_to,
        )
    except ValueError as error:
        raise ValueError(f"--host: {error}") from None
