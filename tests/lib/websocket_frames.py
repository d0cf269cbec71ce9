"""WebSocket frames (RFC 6455, 5.2), byte by byte."""

import struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(data, opcode=TEXT, fin=True):
    """As servers send them, not masked."""
    if isinstance(data, str):
        data = data.encode()
    head = bytes([(0x80 if fin else 0) | opcode])
    if len(data) < 126:
        head += bytes([len(data)])
    elif len(data) < 65536:
        head += b"\x7e" + struct.pack(">H", len(data))
    else:
        head += b"\x7f" + struct.pack(">Q", len(data))
    return head + data


def _payload_at(data):
    """Where the payload of the first frame begins and ends, None if that is not known yet."""
    if len(data) < 2:
        return None
    size, begin = data[1] & 127, 2
    if size >= 126:
        begin += 2 if size == 126 else 8
        if len(data) < begin:
            return None
        size = int.from_bytes(data[2:begin], "big")
    begin += 4 if data[1] & 128 else 0
    return begin, begin + size


def frame_length(data):
    """Of the first frame, None as long as it is not whole."""
    at = _payload_at(data)
    return at[1] if at and at[1] <= len(data) else None


def client_payload(data):
    """Of one whole frame, which has to be masked."""
    assert data[1] & 128, "a client has to mask"
    begin, end = _payload_at(data)
    mask = data[begin - 4:begin]
    return bytes(b ^ mask[i % 4] for i, b in enumerate(data[begin:end]))
