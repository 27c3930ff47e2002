"""
The bytes of a WebSocket: masked frames out, whole messages in. Pure: no socket, no clock.

One case is done here, complete unfragmented text frames: nearly all that a realtime endpoint
sends. Every other frame goes, whole and in order, to the protocol object of ``websockets``.
"""

import os
from collections.abc import Iterator
from struct import Struct, iter_unpack

from websockets.client import ClientProtocol
from websockets.frames import BINARY, CONT, TEXT, Frame

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

__all__ = ["Cutter", "masks", "text_frame"]

# RFC 6455 5.2: FIN and opcode, MASK and length, length of 16 or 64 bits.
TEXT_FRAME = 0x81
MASKED = 0x80
LENGTH_16 = 126
LENGTH_64 = 127
TEXT_16 = bytes((TEXT_FRAME, LENGTH_16))
MASKS_AT_ONCE = 64

DATA = (TEXT, BINARY, CONT)
ENDLESS = 1 << 63  # longer than any message that a memory holds

_head_7 = Struct("!BB").pack
_head_16 = Struct("!BBH").pack
_head_64 = Struct("!BBQ").pack


def masks() -> Iterator[bytes]:
    """Masks of 4 random bytes, never the same block twice; not to be carried over a fork."""
    while True:
        for (mask,) in iter_unpack("4s", os.urandom(4 * MASKS_AT_ONCE)):
            yield mask


def text_frame(message: bytes, mask: bytes) -> bytes:
    """A message as one masked text frame."""
    size = len(message)
    if size >= 1 << 16:
        head = _head_64(TEXT_FRAME, MASKED | LENGTH_64, size)
    elif size >= LENGTH_16:
        head = _head_16(TEXT_FRAME, MASKED | LENGTH_16, size)
    else:
        head = _head_7(TEXT_FRAME, MASKED | size)
    return head + mask + apply_mask(message, mask)


class Cutter:
    """
    Cuts what a server sends into messages.

    A server's frame is never masked: one that is goes to the protocol, which fails. UTF-8 is not
    checked here; the decoder of the messages checks it where it makes strings.

    Args:
        protocol: Open; takes every frame but complete text frames. A message longer than its
            ``max_message_size`` fails it with 1009 before it is buffered. What it has to send
            (pongs, a close frame) is to be fetched from it after each ``feed``.

    Attributes:
        whole: The bytes fed last ended with the end of a message.
        handed_over: The protocol was handed some of them.

    """

    def __init__(self, protocol: ClientProtocol) -> None:
        self.whole = self.handed_over = False
        self._protocol = protocol
        self._max_size = protocol.max_message_size or ENDLESS
        self._longest = self._max_size  # of a text frame to be cut here; -1: none is
        self._head = b""  # of a frame whose length is not known yet
        self._pieces: list[bytes] = []  # of a text frame
        self._missing = 0  # bytes until that frame is complete
        self._handing = 0  # bytes of a frame that the protocol has yet to be handed
        self._fragments: list[bytes] = []  # of a message that comes in several frames

    @property
    def over(self) -> bool:
        """No message can come any more: the peer closed, or violated the protocol."""
        protocol = self._protocol
        return protocol.close_rcvd is not None or protocol.parser_exc is not None

    @property
    def mid_message(self) -> bool:
        """Part of a message, or of a frame, is here and the rest is not."""
        return bool(self._missing or self._handing or self._head or self._fragments)

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes of the stream and return the messages that they complete."""
        self.handed_over = False
        if self._is_one_message(data):
            self.whole = True
            return [data[4:]]
        messages: list[bytes] = []
        if self._head:
            data, self._head = self._head + data, b""
        at = self._go_on(data, messages) if self._missing or self._handing else 0
        last_end, size = at if messages else -1, len(data)
        while at < size:
            start, length = payload(data, at)
            if not start:
                self._head = data[at:]
                break
            stop = start + length
            if data[at] != TEXT_FRAME or length > self._longest:
                known = len(messages)
                at = self._hand_over(data, at, stop - at, messages)
                last_end = at if len(messages) > known else last_end
            elif stop <= size:
                messages.append(data[start:stop])
                at = last_end = stop
            else:
                self._pieces, self._missing = [data[start:]], stop - size
                break
        self.whole = last_end == size
        return messages

    def _is_one_message(self, data: bytes) -> bool:
        """Whether it is what comes nearly always: one text frame of 126 bytes to 64 kB."""
        size = len(data) - 4
        return (
            LENGTH_16 <= size <= self._longest
            and data[:2] == TEXT_16
            and data[2] << 8 | data[3] == size
            and not (self._missing or self._handing or self._head)
        )

    def _go_on(self, data: bytes, messages: list[bytes]) -> int:
        """Go on with the frame that the bytes before began; return where it ends in ``data``."""
        if self._handing:
            return self._hand_over(data, 0, self._handing, messages)
        piece = data[: self._missing]
        self._pieces.append(piece)
        self._missing -= len(piece)
        if not self._missing:
            messages.append(b"".join(self._pieces))
            self._pieces = []
        return len(piece)

    def _hand_over(self, data: bytes, at: int, length: int, messages: list[bytes]) -> int:
        """Hand the protocol one frame, or as much of it as is here; return where that ends."""
        self.handed_over = True
        part = data[at : at + length]
        self._handing = length - len(part)
        self._protocol.receive_data(part)
        for frame in self._protocol.events_received():
            if isinstance(frame, Frame) and frame.opcode in DATA:
                self._fragments.append(bytes(frame.data))
                if frame.fin:
                    messages.append(b"".join(self._fragments))
                    self._fragments = []
        if self.over:
            self._handing = ENDLESS  # it discards the rest
        # Within a fragmented message a text frame is a violation: the protocol has to see it.
        between_messages = self._protocol.current_size is None and not self._handing
        self._longest = self._max_size if between_messages else -1
        return at + len(part)


def payload(data: bytes, at: int) -> tuple[int, int]:
    """Where the payload of the frame at ``at`` starts, 0 if that is not known yet; its length."""
    have = len(data) - at
    if have < 2:
        return 0, 0
    length = data[at + 1]
    if length < LENGTH_16:
        return at + 2, length
    if length == LENGTH_16:
        return (at + 4, data[at + 2] << 8 | data[at + 3]) if have >= 4 else (0, 0)
    if length == LENGTH_64:
        return (at + 10, int.from_bytes(data[at + 2 : at + 10])) if have >= 10 else (0, 0)
    return at + 2, ENDLESS
