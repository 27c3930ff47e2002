from itertools import islice, pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, Close, Frame
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from harness.wire import Cutter, masks, text_frame

MAX_SIZE = 70_000


def open_client():
    return ClientProtocol(parse_uri("ws://peer/"), state=OPEN, max_size=MAX_SIZE)


def frame(opcode, data=b"", fin=True):
    return Frame(opcode, data, fin).serialize(mask=False)


def cut(*chunks):
    protocol = open_client()
    cutter = Cutter(protocol)
    return [message for chunk in chunks for message in cutter.feed(chunk)], protocol


def heard_by_peer(protocol):
    """What the client sent, as the frames a server reads."""
    server = ServerProtocol(state=OPEN)
    for data in protocol.data_to_send():
        if data:
            server.receive_data(data)
    return [(event.opcode, bytes(event.data)) for event in server.events_received()]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_text_frame_of_any_length_is_read_by_a_server_as_it_was_written(size):
    server = ServerProtocol(state=OPEN)
    message = bytes(i % 251 for i in range(size))

    server.receive_data(text_frame(message, b"\x01\x02\x03\xff"))

    (event,) = server.events_received()
    assert (event.opcode, bytes(event.data), event.fin) == (TEXT, message, True)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_text_frame_of_any_length_is_cut_out(size):
    assert cut(frame(TEXT, b"x" * size))[0] == [b"x" * size]


def test_several_messages_and_a_half_in_one_read():
    stream = frame(TEXT, b"one") + frame(TEXT, b"two") + frame(TEXT, b"three")

    assert cut(stream[:-2], stream[-2:])[0] == [b"one", b"two", b"three"]


def test_binary_messages_come_as_text_does():
    assert cut(frame(BINARY, b"{}"))[0] == [b"{}"]


def test_a_ping_between_fragments_is_answered_and_the_message_is_whole():
    messages, protocol = cut(
        frame(TEXT, b"he", fin=False)
        + frame(PING, b"alive?")
        + frame(CONT, b"ll", fin=False)
        + frame(CONT, b"o")
        + frame(TEXT, b"next")
    )

    assert messages == [b"hello", b"next"]
    assert heard_by_peer(protocol) == [(PONG, b"alive?")]


def test_a_text_frame_within_a_fragmented_message_is_a_violation_and_no_message():
    messages, protocol = cut(frame(TEXT, b"he", fin=False) + frame(TEXT, b"no"), frame(TEXT))

    assert messages == []
    assert isinstance(protocol.parser_exc, ProtocolError)
    assert protocol.close_sent.code == 1002


def test_a_masked_frame_is_a_violation():
    messages, protocol = cut(text_frame(b"hello", b"abcd"))

    assert messages == []
    assert protocol.close_sent.code == 1002


@pytest.mark.parametrize("fragmented", [False, True])
def test_a_message_that_is_too_long_fails_at_its_header(fragmented):
    start = frame(TEXT, b"x" * 10, fin=False) if fragmented else b""
    opcode = CONT if fragmented else TEXT
    head = frame(opcode, b"x" * (MAX_SIZE + 1))[:10]
    messages, protocol = cut(start + head)

    assert messages == []
    assert isinstance(protocol.parser_exc, PayloadTooBig)
    assert protocol.close_sent.code == 1009


def test_nothing_is_heard_after_a_close_frame():
    goodbye = frame(CLOSE, Close(1011, "tired").serialize())
    messages, protocol = cut(frame(TEXT, b"one") + goodbye + frame(TEXT, b"two"), frame(TEXT))

    assert messages == [b"one"]
    assert (protocol.close_rcvd.code, protocol.close_rcvd.reason) == (1011, "tired")


@pytest.mark.parametrize(
    ("chunks", "whole"),
    [
        ([frame(TEXT, b"one")], True),
        ([frame(TEXT, b"one") + frame(TEXT, b"two")], True),
        ([frame(TEXT, b"one")[:3], frame(TEXT, b"one")[3:]], True),
        ([frame(PONG) + frame(TEXT, b"one")], True),
        ([frame(TEXT, b"on", fin=False) + frame(CONT, b"e")], True),
        ([frame(TEXT, b"one") + frame(PONG)], False),
        ([frame(TEXT, b"one") + b"\x81"], False),
        ([frame(TEXT, b"one") + frame(TEXT, b"two")[:4]], False),
        ([frame(PING)], False),
    ],
)
def test_whole_tells_whether_a_read_ended_with_a_message(chunks, whole):
    cutter = Cutter(open_client())
    for chunk in chunks:
        cutter.feed(chunk)

    assert cutter.whole is whole


def test_a_long_message_is_put_together_in_linear_time():
    protocol = ClientProtocol(parse_uri("ws://peer/"), state=OPEN, max_size=1 << 25)
    cutter = Cutter(protocol)
    stream = frame(TEXT, bytes(1 << 24))

    pieces = [stream[at : at + 4096] for at in range(0, len(stream), 4096)]
    cut_so_far = [cutter.feed(piece) for piece in pieces]

    assert cut_so_far[-1] == [bytes(1 << 24)]
    assert not any(cut_so_far[:-1])


def test_masks_are_never_the_same_twice_in_a_thousand():
    drawn = list(islice(masks(), 1000))

    assert {len(mask) for mask in drawn} == {4}
    assert len(set(drawn)) >= 999  # of 4 billion: one coincidence in 8000 runs


payloads = st.one_of(
    st.binary(max_size=200), st.sampled_from([125, 126, 65_535, 65_536]).map(lambda n: b"x" * n)
)
small = st.binary(max_size=20)


@st.composite
def fragmented_messages(draw):
    parts = draw(st.lists(small, min_size=2, max_size=4))
    frames = []
    for place, part in enumerate(parts):
        fin = place == len(parts) - 1
        frames.append(frame(TEXT if place == 0 else CONT, part, fin))
        if not fin and draw(st.booleans()):
            frames.append(frame(draw(st.sampled_from([PING, PONG])), draw(small)))
    return b"".join(frames)


good = st.one_of(
    payloads.map(lambda data: frame(TEXT, data)),
    small.map(lambda data: frame(TEXT, data)),
    small.map(lambda data: frame(BINARY, data)),
    small.map(lambda data: frame(PING, data)),
    small.map(lambda data: frame(PONG, data)),
    fragmented_messages(),
)
bad = st.one_of(
    small.map(lambda data: frame(CONT, data)),
    small.map(lambda data: frame(TEXT, data, fin=False)),  # what follows makes it a violation
    small.map(lambda data: text_frame(data, b"mask")),
    st.just(b"\xc1\x01x"),  # a reserved bit
    st.just(b"\x83\x00"),  # a reserved opcode
    st.just(frame(TEXT, b"x" * (MAX_SIZE + 1))),
    st.just(frame(CLOSE, Close(1000, "bye").serialize())),
    st.binary(max_size=20),
)


@st.composite
def streams(draw):
    parts = draw(st.lists(good, max_size=6))
    parts += draw(st.lists(bad, max_size=1)) + draw(st.lists(good, max_size=2))
    stream = b"".join(parts)
    cuts = draw(st.lists(st.integers(0, len(stream)), max_size=8))
    edges = [0, *sorted(cuts), len(stream)]
    return [stream[a:b] for a, b in pairwise(edges)]


def by_the_package_alone(chunks):
    protocol, messages, fragments = open_client(), [], []
    for chunk in chunks:
        protocol.receive_data(chunk)
        for event in protocol.events_received():
            if event.opcode in (TEXT, BINARY, CONT):
                fragments.append(bytes(event.data))
                if event.fin:
                    messages.append(b"".join(fragments))
                    fragments = []
    return messages, protocol


@given(streams())
@example([frame(TEXT, b"a" * 200)[:1], frame(TEXT, b"a" * 200)[1:3], frame(TEXT, b"a" * 200)[3:]])
def test_any_stream_in_any_pieces_reads_as_by_the_package_alone(chunks):
    messages, protocol = cut(*chunks)
    expected, reference = by_the_package_alone(chunks)

    assert messages == expected
    assert repr(protocol.parser_exc) == repr(reference.parser_exc)
    assert (protocol.close_rcvd, protocol.close_sent) == (
        reference.close_rcvd,
        reference.close_sent,
    )
    assert heard_by_peer(protocol) == heard_by_peer(reference)
