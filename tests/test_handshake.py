import pytest
from websockets.uri import parse_uri
from websockets.utils import accept_key

from harness.handshake import ConnectError, Opening, Refused

KEY = "sk-secret-0123456789abcdef"


def opening(url="ws://peer:80/v1/realtime?model=m", **options):
    given = {"headers": (), "subprotocols": (), "max_size": 1000, "compression": False} | options
    return Opening(parse_uri(url), **given)


def switch(to):
    key = to.protocol.key
    fields = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept_key(key)}"
    return f"HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n\r\n".encode()


def answer(status, body=b"", **fields):
    fields = {"Content-Length": len(body)} | {k.replace("_", "-"): v for k, v in fields.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def refusal(data, **options):
    with pytest.raises(Refused) as caught:
        assert not opening(**options).feed(data)
    assert caught.value.step == "upgrade"
    assert "\n" not in str(caught.value)
    return caught.value


def test_the_request_asks_for_a_websocket_with_the_headers_given():
    lines = opening(
        headers=[("Authorization", f"Bearer {KEY}"), ("User-Agent", "mine"), ("X-A", "1")],
        subprotocols=["realtime", "beta"],
    ).request.decode()

    assert lines.startswith("GET /v1/realtime?model=m HTTP/1.1\r\nHost: peer\r\n")
    for line in (
        f"Authorization: Bearer {KEY}",
        "User-Agent: mine",
        "X-A: 1",
        "Sec-WebSocket-Protocol: realtime, beta",
        "Upgrade: websocket",
    ):
        assert lines.count(f"\r\n{line}\r\n") == 1
    assert "Sec-WebSocket-Extensions" not in lines
    assert "harness" not in lines


def test_compression_is_offered_if_asked_for():
    assert b"permessage-deflate" in opening(compression=True).request


@pytest.mark.parametrize("value", [f"Bearer {KEY}\n", f"{KEY}\r\nX-Evil: 1", "schlüssel"])
def test_a_header_that_cannot_be_sent_is_told_by_name_alone(value):
    with pytest.raises(ConnectError) as caught:
        opening(headers=[("Authorization", value)])

    assert str(caught.value) == "the header 'Authorization' holds characters that can't be sent"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_answer_in_any_pieces_opens_it_and_what_follows_is_kept(size):
    to = opening()
    stream = switch(to) + b"\x81\x05hello"
    opened = False
    for at in range(0, len(stream), size):
        if opened := to.feed(stream[at : at + size]):
            break

    assert opened
    assert stream.endswith(to.rest + stream[at + size :])
    assert (to.rest + stream[at + size :]) == b"\x81\x05hello"


def test_a_refusal_keeps_status_headers_and_body():
    body = b'{"error": {\n  "message": "quota"}}'
    error = refusal(answer("429 Too Many Requests", body, Retry_After="7"))

    assert error.handshake.status == 429
    assert error.handshake.headers["Retry-After"] == "7"
    assert error.handshake.body == body.decode()
    assert str(error) == (
        "peer:80 refused the handshake: 429 Too Many Requests, retry after 7 s: "
        '{"error": { "message": "quota"}}'
    )


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (answer("401 Unauthorized"), "refused the handshake: 401 Unauthorized"),
        (answer("403 Nope"), "refused the handshake: 403 Forbidden"),
        (answer("503 x", b"busy"), "refused the handshake: 503 Service Unavailable: busy"),
        (answer("599 x"), "refused the handshake: 599"),
        (
            answer("307 x", Location="https://other/v1"),
            "redirects to https://other/v1 (307 Temporary Redirect): redirects are not followed",
        ),
        (answer("200 OK", b"<html>"), "is no WebSocket endpoint here: it answered 200 OK"),
        (
            answer("101 x"),
            "answered 101, but that is no WebSocket: missing Connection header",
        ),
        (
            b"HTTP/1.1 403 x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbusy\r\n0\r\n\r\n",
            "refused the handshake: 403 Forbidden: busy",
        ),
        (b"HTTP/1.0 503 x\r\n\r\nold", "refused the handshake: 503 Service Unavailable: old"),
    ],
)
def test_what_an_answer_means_is_told_in_one_line(data, told):
    assert str(refusal(data)) == f"peer:80 {told}"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "peer:80 does not speak HTTP"),
        (b"HTTP/1.1 nonsense\r\n\r\n", "peer:80 does not speak HTTP: did not receive"),
        (b"HTTP/1.1 200 OK\r\n" + b"x" * (1 << 16), "peer:80 answers without end"),
    ],
)
def test_what_is_no_answer_is_told_in_one_line(data, told):
    with pytest.raises(ConnectError) as caught:
        opening().feed(data)

    assert not isinstance(caught.value, Refused)
    assert str(caught.value).startswith(told)


def test_an_end_before_the_answer():
    to = opening()
    assert not to.feed(b"HTTP/1.1 40")

    assert str(to.end()) == "peer:80 closed the connection instead of answering the handshake"


def test_an_end_within_the_body_keeps_what_came():
    to = opening()
    assert not to.feed(b"HTTP/1.1 401 x\r\nContent-Length: 100\r\nX-A: 1\r\n\r\nwrong")
    assert not to.feed(b" key")
    error = to.end()

    assert isinstance(error, Refused)
    assert (error.handshake.status, error.handshake.body) == (401, "wrong key")
    assert error.handshake.headers["X-A"] == "1"


def test_a_body_is_kept_to_a_bound():
    error = refusal(answer("403 x", b"a" * 5000))

    assert len(error.handshake.body) == 2048
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    "options",
    [
        {"headers": [("Authorization", f"Bearer {KEY}")]},
        {"headers": [("api-key", KEY)]},
        {"subprotocols": ["realtime", f"openai-insecure-api-key.{KEY}"]},
        {"url": f"ws://peer:80/v1/realtime?api-key={KEY}"},
    ],
)
def test_a_key_that_the_answer_repeats_is_nowhere(options):
    body = f"you sent {KEY}".encode()
    error = refusal(answer("302 x", body, Location=f"/?api-key={KEY}", X_Key=KEY), **options)

    assert KEY not in f"{error} {error!r} {error.handshake}"
    assert error.handshake.body == "you sent ***"
