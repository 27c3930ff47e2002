import threading
import time

import gevent
import pytest
from gevent.exceptions import BlockingSwitchOutError
from peers import Heard, block_until, descriptors, frame, goodbye, listening, until
from websockets.frames import BINARY, CONT, PING, PONG, TEXT

from harness.hub import hub_watch
from harness.transport import TransportClosed

MS = 1_000_000


def echo(peer):
    peer.upgrade().echo()


def says(*messages):
    """Scripts a server that says this, then waits for the end."""

    def script(peer):
        peer.upgrade()
        for message in messages:
            peer.send(message)
        peer.echo()

    return script


# Messages.


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 300_000])
def test_a_message_of_any_length_goes_out_and_comes_back(size):
    with listening(echo) as address, Heard(address) as heard:
        heard.transport.write(b"x" * size)

        assert heard.wait(1) == [b"x" * size]


def test_messages_keep_their_order_and_are_counted():
    sent = [b"%d" % n for n in range(200)]
    with listening(echo) as address, Heard(address) as heard:
        for message in sent:
            heard.transport.write(message)

        assert heard.wait(200) == sent
        assert heard.transport.messages_sent == heard.transport.messages_received == 200
        assert heard.transport.bytes_sent > sum(map(len, sent)) + 200 * 6


def test_messages_written_together_come_in_one_piece_each_masked_on_its_own():
    pieces = []

    def script(peer):
        peer.upgrade()
        pieces.append(peer.sock.recv(65536))
        peer.protocol.receive_data(pieces[0])
        pieces.extend(bytes(event.data) for event in peer.protocol.events_received())
        peer.close_code()

    with listening(script) as address, Heard(address) as heard:
        heard.transport.write(b"audio", b"commit", b"create")
        until(lambda: len(pieces) == 4)

        assert pieces[1:] == [b"audio", b"commit", b"create"]
        assert heard.transport.messages_sent == 3
    assert len({pieces[0][2:6], pieces[0][13:17], pieces[0][25:29]}) == 3


def test_messages_come_in_the_hub_and_never_before_connect_has_returned():
    greenlets = []

    def script(peer):
        peer.upgrade(then=frame(TEXT, b"first"))
        peer.echo()

    with listening(script) as address:
        heard = Heard(address, on_message=lambda _: greenlets.append(gevent.getcurrent()))
        assert heard.messages == []
        heard.wait(1)
        heard.transport.abort()

    assert greenlets == [gevent.get_hub()]


def test_an_answer_can_be_written_in_on_message():
    with listening(says(frame(TEXT, b"question"))) as address:
        answer = []
        heard = Heard(address, on_message=lambda data: answer and answer.pop()(b"answer"))
        answer.append(heard.transport.write)

        assert heard.wait(2) == [b"question", b"answer"]
        heard.transport.abort()


@pytest.mark.parametrize("cut_at", [0, 1, 5, 12])
def test_frames_that_come_with_the_handshake_are_heard(cut_at):
    stream = frame(TEXT, b"hello") + frame(TEXT, b"world")

    def script(peer):
        peer.upgrade(then=stream[:cut_at])
        time.sleep(0.01)
        peer.send(stream[cut_at:])
        peer.echo()

    with listening(script) as address, Heard(address) as heard:
        assert heard.wait(2) == [b"hello", b"world"]


def test_fragments_with_a_ping_between_them_are_one_message_and_the_ping_is_answered():
    pongs = []

    def script(peer):
        peer.upgrade()
        for part in (
            frame(TEXT, b"fra", fin=False),
            frame(PING, b"alive?"),
            frame(CONT, b"gme", fin=False),
            frame(CONT, b"nts"),
            frame(BINARY, b"binary"),
        ):
            peer.send(part)
            time.sleep(0.002)
        pongs.append(peer.frame())
        peer.echo()

    with listening(script) as address, Heard(address) as heard:
        assert heard.wait(2) == [b"fragments", b"binary"]
        until(lambda: pongs)

    assert pongs == [(PONG, b"alive?")]


def test_sixteen_mebibytes_in_one_message():
    message = bytes(range(256)) * (1 << 16)
    with listening(says(frame(TEXT, message))) as address, Heard(address) as heard:
        assert heard.wait(1)[0] == message


def test_a_longer_message_than_allowed_ends_the_session_at_its_header():
    codes = []

    def script(peer):
        peer.upgrade()
        peer.send(frame(TEXT, b"fits"))
        peer.send(frame(TEXT, b"x" * 70_000)[:10])
        codes.append(peer.close_code())

    with listening(script) as address, Heard(address, max_size=1000) as heard:
        closed = heard.wait_end()

    assert heard.messages == [b"fits"]
    assert (closed.code, closed.by_us, closed.clean) == (1009, True, False)
    assert codes == [1009]


def test_a_violation_ends_the_session_after_the_messages_before_it():
    codes = []

    def script(peer):
        peer.upgrade()
        peer.send(frame(TEXT, b"good") + b"\x83\x00")
        codes.append(peer.close_code())

    with listening(script) as address, Heard(address) as heard:
        closed = heard.wait_end()

    assert heard.messages == [b"good"]
    assert (closed.code, closed.by_us) == (1002, True)
    assert "invalid opcode" in closed.error
    assert codes == [1002]


def test_masks_are_never_used_twice():
    raw = []

    def script(peer):
        peer.upgrade()
        while sum(map(len, raw)) < 2000 * 7:
            raw.append(peer.sock.recv(65536))

    with listening(script) as address, Heard(address) as heard:
        for _ in range(2000):
            heard.transport.write(b"x")
        heard.wait_end()

    stream = b"".join(raw)
    masks = {stream[at + 2 : at + 6] for at in range(0, 14_000, 7)}
    assert len(masks) >= 1999  # of 4 billion: one coincidence in 2000 runs


def test_compression_if_asked_for():
    def script(peer):
        peer.upgrade(**{"Sec-WebSocket-Extensions": "permessage-deflate"})
        first = peer.sock.recv(65536)
        assert first[0] == 0xC1
        assert len(first) < 100
        peer.send(b"\xc1\x07\xf2H\xcd\xc9\xc9\x07\x00")  # RFC 7692 7.2.3.1: Hello
        peer.close_code()

    with listening(script) as address, Heard(address, compression=True) as heard:
        heard.transport.write(b"x" * 5000)

        assert heard.wait(1) == [b"Hello"]


# Receive instants.


def sends_while_the_hub_is_blocked(times, blocked, sent):
    """Scripts a server that notes when it has sent each message."""

    def script(peer):
        peer.upgrade()
        blocked.wait()
        for _ in range(times):
            time.sleep(0.02)
            sent.append(peer.text(b"hello"))
        peer.echo()

    return script


def test_a_message_is_stamped_when_it_came_not_when_it_was_read():
    blocked, sent, watch = threading.Event(), [], hub_watch()
    script = sends_while_the_hub_is_blocked(1, blocked, sent)
    with listening(script) as address, Heard(address) as heard:
        gevent.sleep(0)
        watch.take()
        blocked.set()
        block_until(lambda: sent)
        read_after = time.monotonic_ns()
        heard.wait(1)

    assert heard.stamps[0] <= sent[0] <= read_after - 100 * MS
    assert heard.slacks == [0]
    assert watch.take().read_lag.max >= 0.1


def test_merged_messages_have_an_uncertainty_that_covers_when_they_came():
    blocked, sent = threading.Event(), []
    script = sends_while_the_hub_is_blocked(5, blocked, sent)
    with listening(script) as address, Heard(address) as heard:
        gevent.sleep(0)
        blocked.set()
        block_until(lambda: len(sent) == 5)
        heard.wait(5)

    for stamp, slack, true in zip(heard.stamps, heard.slacks, sent, strict=True):
        assert stamp - slack <= true  # which was noted after the send
    assert heard.stamps[0] > sent[0] + 50 * MS  # the kernel's stamp is that of the last
    assert heard.slacks[0] > 50 * MS
    assert heard.slacks[-1] == 0  # the last one's stamp is its own


# Peers that misbehave.


def test_a_close_frame_of_the_peer_is_answered_and_told():
    codes = []

    def script(peer):
        peer.upgrade()
        peer.send(frame(TEXT, b"last words") + goodbye(1011, "tired"))
        codes.append(peer.close_code())

    with listening(script) as address, Heard(address) as heard:
        closed = heard.wait_end()

    assert heard.messages == [b"last words"]
    assert (closed.code, closed.reason, closed.by_us, closed.clean) == (1011, "tired", False, True)
    assert closed.error == ""
    assert codes == [1011]


def test_an_end_without_a_close_frame_is_1006():
    def script(peer):
        peer.upgrade(then=frame(TEXT, b"last words"))

    with listening(script) as address, Heard(address) as heard:
        closed = heard.wait_end()

    assert heard.messages == [b"last words"]
    assert (closed.code, closed.by_us, closed.clean) == (1006, False, False)
    assert "without a close frame" in closed.error


def test_an_end_in_the_middle_of_a_message_says_so():
    def script(peer):
        peer.upgrade(then=frame(TEXT, b"cut off")[:4])

    with listening(script) as address, Heard(address) as heard:
        assert "in the middle of a message" in heard.wait_end().error


def test_a_reset_is_1006():
    def script(peer):
        peer.upgrade()
        peer.frame()
        peer.reset()

    with listening(script) as address, Heard(address) as heard:
        heard.transport.write(b"hello")
        closed = heard.wait_end()

    assert (closed.code, closed.by_us, closed.clean) == (1006, False, False)
    assert "reset" in closed.error.lower()


def test_writing_to_a_connection_that_was_reset_raises_and_the_last_words_are_heard():
    gone = threading.Event()

    def script(peer):
        peer.upgrade()
        peer.text(b"last words")
        peer.reset()
        gone.set()

    with listening(script) as address, Heard(address) as heard:
        gone.wait()
        with pytest.raises(TransportClosed):  # noqa: PT012
            for _ in range(3):
                heard.transport.write(b"hello")
        assert heard.wait_end().code == 1006

    assert heard.messages in ([b"last words"], [])  # a reset may overtake them


def test_a_silent_peer_is_pinged_and_lives_by_its_pongs():
    pings = []

    def script(peer):
        peer.upgrade()
        while len(pings) < 3:
            opcode, data = peer.frame()
            pings.append(opcode)
            peer.send(frame(PONG, data))
        peer.text(b"still here")
        peer.echo()

    with (
        listening(script) as address,
        Heard(address, ping_interval=0.1, ping_timeout=10) as heard,
    ):
        assert heard.wait(1) == [b"still here"]

    assert pings == [PING] * 3


def test_a_peer_that_sends_nothing_at_all_is_given_up():
    with listening(lambda peer: peer.upgrade().close_code()) as address:
        heard = Heard(address, ping_interval=0.1, ping_timeout=0.2)
        closed = heard.wait_end()

    assert (closed.code, closed.by_us, closed.clean) == (1006, False, False)
    assert closed.error == "nothing received for 0.3 s"


def test_a_peer_that_talks_but_does_not_answer_pings_lives():
    stop = threading.Event()

    def script(peer):
        peer.upgrade()
        while not stop.is_set():
            peer.text(b"busy")
            time.sleep(0.01)
        peer.echo()

    with listening(script) as address:
        heard = Heard(address, ping_interval=0.1, ping_timeout=1.4)
        gevent.sleep(2)
        alive = heard.transport.closed is None
        stop.set()
        heard.transport.close()

    assert alive


def test_a_turn_that_times_out_leaves_a_session_that_works():
    def script(peer):
        peer.upgrade()
        assert peer.frame() == (TEXT, b"first")
        peer.echo()

    with listening(script) as address, Heard(address) as heard:
        heard.transport.write(b"first")
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
            gevent.get_hub().wait(gevent.get_hub().loop.timer(60))
        heard.transport.write(b"second")

        assert heard.wait(1) == [b"second"]


def test_a_peer_that_does_not_read_stalls_nobody_and_fails_at_the_high_water_mark():
    release = threading.Event()

    def deaf(peer):
        peer.upgrade()
        release.wait()

    with (
        listening(deaf, receive_buffer=4096) as address,
        listening(echo) as other,
        Heard(address, high_water=1 << 20) as heard,
        Heard(other) as witness,
    ):
        with pytest.raises(TransportClosed, match="does not read"):  # noqa: PT012
            for n in range(10_000):
                heard.transport.write(bytes(10_000))
                if n % 100 == 0:
                    witness.transport.write(b"ping")
        release.set()
        closed = heard.ends[0]

        assert witness.wait(witness.transport.messages_sent)
        assert (closed.code, closed.by_us) == (1006, True)
        assert "wait to be sent" in closed.error


def test_what_the_kernel_does_not_take_is_queued_and_sent_in_order():
    sent = [bytes([n]) * 40_000 for n in range(200)]
    read, received = threading.Event(), []

    def slow(peer):
        peer.upgrade()
        read.wait()
        while len(received) < len(sent):
            received.append(peer.frame()[1])
        peer.echo()

    with (
        listening(slow, receive_buffer=4096) as address,
        Heard(address, high_water=1 << 24) as heard,
    ):
        for message in sent:
            heard.transport.write(message)
        assert heard.transport.queued_bytes > 1 << 20
        read.set()
        until(lambda: len(received) == len(sent))

        assert received == sent
        assert heard.transport.queued_bytes == 0
        assert heard.transport.close().clean


def test_one_long_message_may_exceed_the_high_water_mark():
    def script(peer):
        peer.upgrade()
        time.sleep(0.05)
        peer.echo()

    message = bytes(8 << 20)
    with listening(script) as address, Heard(address, high_water=1 << 16) as heard:
        heard.transport.write(message)

        assert heard.wait(1) == [message]


def test_nothing_can_be_written_once_the_peers_goodbye_has_been_read():
    refused = []

    def answer(_):
        try:
            heard.transport.write(b"too late")
        except TransportClosed as error:
            refused.append(error)
        heard.transport.abort()

    errors = hub_watch().internal_errors
    with listening(says(frame(TEXT, b"one") + goodbye(1000))) as address:
        heard = Heard(address, on_message=answer)
        heard.wait_end()

    assert len(refused) == 1
    assert hub_watch().internal_errors == errors


# Our own faults.


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (lambda _: 1 / 0, "ZeroDivisionError"),
        (lambda _: gevent.sleep(0.01), BlockingSwitchOutError),
    ],
    ids=["raises", "blocks"],
)
def test_a_fault_in_on_message_ends_that_session_alone_and_is_counted(fault, name, caplog):
    errors, codes = hub_watch().internal_errors, []

    def script(peer):
        peer.upgrade()
        peer.send(frame(TEXT, b"one") + frame(TEXT, b"two"))
        codes.append(peer.close_code())

    with (
        listening(script) as address,
        listening(echo) as other,
        Heard(address, on_message=fault) as heard,
        Heard(other) as witness,
    ):
        closed = heard.wait_end()
        witness.transport.write(b"fine")

        assert witness.wait(1) == [b"fine"]
    assert heard.messages == [b"one"]
    assert (closed.code, closed.by_us, closed.clean) == (1011, True, False)
    assert closed.error.startswith(f"internal: {getattr(name, '__name__', name)}")
    assert hub_watch().internal_errors == errors + 1
    assert codes == [1011]
    assert "internal error" in caplog.text


def test_an_interrupt_that_strikes_in_on_message_ends_the_session_and_the_program():
    def interrupt(_):
        raise KeyboardInterrupt

    errors = hub_watch().internal_errors
    with listening(says(frame(TEXT, b"one"))) as address:
        heard = Heard(address, on_message=interrupt)
        with pytest.raises(KeyboardInterrupt):
            heard.wait_end()

    assert heard.ends[0].error == "aborted"
    assert hub_watch().internal_errors == errors


def test_a_fault_in_on_close_is_counted_and_close_returns(caplog):
    errors = hub_watch().internal_errors
    with listening(echo) as address:
        heard = Heard(address)
        heard.transport._on_close = lambda _: 1 / 0
        closed = heard.transport.close()

    assert closed.clean
    assert hub_watch().internal_errors == errors + 1
    assert "ZeroDivisionError" in caplog.text


# Goodbyes.


def test_a_goodbye_is_said_and_heard():
    codes = []

    def script(peer):
        peer.upgrade()
        codes.append(peer.close_code())
        peer.send(goodbye(1000, "bye"))

    with listening(script) as address, Heard(address) as heard:
        closed = heard.transport.close()

    assert (closed.code, closed.reason, closed.by_us, closed.clean) == (1000, "bye", True, True)
    assert codes == [1000]


def test_messages_arrive_until_the_peer_has_said_goodbye_too():
    def script(peer):
        peer.upgrade()
        peer.close_code()
        for _ in range(3):
            peer.text(b"not yet")
            time.sleep(0.01)
        peer.send(goodbye(1000) + frame(TEXT, b"never heard"))

    with listening(script) as address, Heard(address) as heard:
        assert heard.transport.close().clean

    assert heard.messages == [b"not yet"] * 3


def test_a_peer_that_never_says_goodbye_is_left_after_the_timeout():
    left = threading.Event()

    def script(peer):
        peer.upgrade()
        peer.close_code()
        left.wait()

    with listening(script) as address, Heard(address) as heard:
        closed = heard.transport.close(timeout=0.1)
        left.set()

    assert (closed.code, closed.by_us, closed.clean) == (1006, True, False)
    assert closed.error == "no close frame from the peer in 0.1 s"


def test_closing_is_idempotent_and_may_be_waited_for_by_many():
    with listening(echo) as address, Heard(address) as heard:
        closers = [gevent.spawn(heard.transport.close) for _ in range(3)]
        results = [closer.get() for closer in closers]

        assert results == [heard.transport.close()] * 3
        with pytest.raises(TransportClosed):
            heard.transport.write(b"too late")


@pytest.mark.parametrize("state", ["listening", "closing"])
def test_a_killed_greenlet_leaves_with_1000_and_no_descriptor(state):
    codes, heard = [], []

    def script(peer):
        peer.upgrade()
        codes.append(peer.close_code())

    def call(address):
        heard.append(Heard(address))
        with heard[0]:
            if state == "closing":
                heard[0].transport.close(timeout=60)
            gevent.sleep(60)

    open_before = descriptors()
    with listening(script) as address:
        caller = gevent.spawn(call, address)
        until(lambda: heard)
        gevent.sleep(0.01)
        if state == "listening":
            caller.kill()
    until(lambda: descriptors() == open_before)
    caller.kill()

    assert codes == [1000]
    assert len(heard[0].ends) == 1


def test_an_abort_in_on_message_stops_the_messages():
    with listening(says(frame(TEXT, b"one") + frame(TEXT, b"two"))) as address:
        heard = Heard(address, on_message=lambda _: heard.transport.abort())
        closed = heard.wait_end()

    assert heard.messages == [b"one"]
    assert (closed.code, closed.by_us, closed.clean) == (1006, True, False)


@pytest.mark.parametrize("end", ["close", "abort", "eof", "reset", "violation", "internal"])
def test_no_end_leaves_a_descriptor_or_a_watcher(end):
    def script(peer):
        peer.upgrade()
        peer.frame()
        match end:
            case "reset":
                peer.reset()
            case "violation":
                peer.send(b"\x83\x00")
                peer.close_code()
            case "internal":
                peer.text(b"fatal")
                peer.close_code()
            case "close":
                peer.send(goodbye(1000))

    gevent.sleep(0)
    loop = gevent.get_hub().loop
    open_before, watchers = descriptors(), loop.activecnt
    with listening(script) as address:
        heard = Heard(address, on_message=lambda _: 1 / 0)
        if end == "close":
            heard.transport.close()
        else:
            heard.transport.write(b"go")
        if end == "abort":
            heard.transport.abort()
        heard.wait_end()
    gevent.sleep(0)

    assert descriptors() == open_before
    assert loop.activecnt == watchers
