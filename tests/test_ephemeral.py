import json
import ssl
import time

import gevent
import pytest
import trustme
from peers import listening, response

from harness.adapter import RealtimeAdapter, SessionFailed
from harness.ephemeral import ephemeral_key
from harness.handshake import ConnectError, Refused
from harness.realtime.endpoint import parse_endpoint
from harness.records import Phase, SessionOutcome
from harness.workload import Timeouts, Workload

KEY = "sk-long-lived-key"
EK = "ek_short_lived_key"


def endpoint(address, scheme="ws", **options):
    return parse_endpoint(f"{scheme}://{address}", model="m 1", api_key=KEY, **options)


def answering(status, body=b"", seen=None, **headers):
    """A server that answers each request so, and notes what it was asked."""

    def script(peer):
        peer.read_request()
        length = int(peer.header("Content-Length") or 0)
        head, _, got = peer.request.partition(b"\r\n\r\n")
        while len(got) < length:
            got += peer.sock.recv(65536)
        if seen is not None:
            seen.append((head.decode(), got))
        peer.send(response(status, {"Content-Length": len(body), **headers}, body))

    return script


@pytest.mark.parametrize(
    ("options", "line", "header"),
    [
        ({}, "POST /v1/realtime/client_secrets HTTP/1.1", f"Authorization: Bearer {KEY}"),
        ({"auth": "subprotocol"}, "POST /v1/realtime/", f"Authorization: Bearer {KEY}"),
        ({"dialect": "azure"}, "POST /openai/v1/realtime/client_secrets", f"api-key: {KEY}"),
        ({"headers": [("X-Team", "five")]}, "POST /v1/realtime/", "X-Team: five"),
    ],
)
def test_a_key_is_asked_for_with_ours_and_the_model(options, line, header):
    seen = []
    body = json.dumps({"value": EK, "expires_at": 1, "session": {}}).encode()
    with listening(answering("200 OK", body, seen)) as address:
        assert ephemeral_key(endpoint(address, **options), 10) == EK

    ((head, asked),) = seen
    assert head.startswith(line)
    assert header.lower() in head.lower()
    assert json.loads(asked) == {"session": {"type": "realtime", "model": "m 1"}}


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (
            "401 Unauthorized",
            b"Wrong key: " + KEY.encode(),
            r"401 Unauthorized: Wrong key: \*\*\*$",
        ),
        ("404 Not Found", b"", r"404 Not Found \(it may not make any: then leave --ephemeral-keys"),
        ("429 Too Many Requests", b"{\n  1}", r"429 Too Many Requests: \{ 1\}$"),
        ("302 Found", b"", "302 Found$"),
        ("599 Odd", b"", "599$"),
    ],
)
def test_a_refusal_is_one_line_without_our_key_and_nobody_else_is_asked(status, body, told):
    seen = []
    answer = answering(status, body, seen, Location="http://127.0.0.1:9/")
    with (
        listening(answer) as address,
        pytest.raises(Refused, match=told) as refusal,
    ):
        ephemeral_key(endpoint(address), 10)

    assert refusal.value.handshake.status == int(status[:3])
    assert KEY not in str(refusal.value) + repr(refusal.value.handshake)
    assert "\n" not in str(refusal.value)
    assert len(seen) == 1


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"value": 5}', b'{"value": "a\\nb"}', b"\xff"]
)
def test_an_answer_without_a_key_is_told_as_such(body):
    with (
        listening(answering("200 OK", body)) as address,
        pytest.raises(ConnectError, match="answered without an ephemeral key") as failure,
    ):
        ephemeral_key(endpoint(address), 10)

    assert (failure.value.step, failure.value.timed_out) == ("client_secret", False)


def test_a_server_that_speaks_no_http_or_hangs_up_is_told_as_such():
    for garbage in (b"220 smtp ready\r\n\r\n", b""):
        with (
            listening(
                lambda peer, garbage=garbage: peer.read_request() and peer.send(garbage)
            ) as at,
            pytest.raises(ConnectError, match=r"can't ask 127\.0\.0\.1:\d+ for an ephemeral key"),
        ):
            ephemeral_key(endpoint(at), 10)


def test_a_key_that_does_not_come_is_a_timeout_of_ours_only():
    with listening(lambda peer: peer.read_request() and peer.frame()) as address:
        with pytest.raises(ConnectError, match=r"within 0\.1 s") as failure:
            ephemeral_key(endpoint(address), 0.1)
        assert failure.value.timed_out
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
            ephemeral_key(endpoint(address), 10)


def test_certificates_are_checked_against_the_given_file(tmp_path):
    authority, stranger = trustme.CA(), trustme.CA()
    for name, ca in (("ours", authority), ("theirs", stranger)):
        ca.cert_pem.write_to_path(str(tmp_path / name))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    answer = answering("200 OK", json.dumps({"value": EK}).encode())
    with listening(answer, tls=context) as address:
        host = address.replace("127.0.0.1", "localhost")
        assert ephemeral_key(endpoint(host, "wss", ca_file=tmp_path / "ours"), 10) == EK
        with pytest.raises(ConnectError, match="certificate"):
            ephemeral_key(endpoint(host, "wss", ca_file=tmp_path / "theirs"), 10)


def test_a_session_is_dialled_with_the_key_of_short_life_and_measured():
    seen = []
    give = answering("200 OK", json.dumps({"value": EK}).encode())

    def serve(peer):
        peer.read_request()
        seen.append(peer.request.split(b"\r\n")[0])
        give(peer)

    def dialled(peer):
        peer.upgrade()
        seen.append(peer.header("Authorization"))
        peer.text(
            b'{"type": "error", "error": {"code": "invalid_api_key", "message": "ek? %s"}}'
            % EK.encode()
        )
        peer.close_code()

    scripts = [serve, dialled]

    def next_of(peer):
        scripts.pop(0)(peer)

    with listening(next_of) as address:
        adapter = RealtimeAdapter(endpoint(address), Workload(ephemeral_keys=True))
        with pytest.raises(SessionFailed, match=r"invalid_api_key: ek\? \*\*\*"):
            adapter.connect()

    assert seen == [b"POST /v1/realtime/client_secrets HTTP/1.1", f"Bearer {EK}"]
    assert adapter.steps["client_secret"] > 0


@pytest.mark.parametrize(
    ("answer", "outcome", "phase", "code"),
    [
        (answering("404 Not Found"), SessionOutcome.REFUSED, None, "http_404"),
        (answering("200 OK", b"{}"), SessionOutcome.REFUSED, None, "client_secret"),
        (
            lambda peer: peer.read_request() and peer.frame(),
            SessionOutcome.TIMEOUT,
            Phase.CONNECT,
            "client_secret",
        ),
    ],
)
def test_without_a_key_nobody_is_dialled(answer, outcome, phase, code):
    dialled = []

    def script(peer):
        dialled.append(time.monotonic())
        answer(peer)

    timeouts = Timeouts(connect=20 if phase is None else 0.2)
    workload = Workload(ephemeral_keys=True, timeouts=timeouts)
    with listening(script) as address, pytest.raises(SessionFailed) as failure:
        RealtimeAdapter(endpoint(address), workload).connect()

    assert (failure.value.outcome, failure.value.phase) == (outcome, phase)
    assert failure.value.code == code
    assert len(dialled) == 1


def test_a_key_can_be_shown_as_browsers_do(monkeypatch):
    offered = []

    def script(peer):
        peer.upgrade(**{"Sec-WebSocket-Protocol": "realtime"})
        offered.append((peer.header("Sec-WebSocket-Protocol"), peer.header("Authorization")))
        peer.text(b'{"type": "session.created", "session": {}}')
        peer.frame()
        peer.text(b'{"type": "session.updated", "session": {}}')
        peer.echo()

    workload = Workload(auth="subprotocol")
    with listening(script) as at, RealtimeAdapter(f"ws://{at}", workload, api_key=KEY):
        pass

    assert offered == [(f"realtime, openai-insecure-api-key.{KEY}", None)]
