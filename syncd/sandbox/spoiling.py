"""What a fault makes of an answer: another place in its JSON, other headers, more bytes than anybody wants.

Pure: bytes and headers in, bytes and headers out. When it strikes is `faults`' business, sending is the frame's.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping

BLOCK_BYTES = 1 << 20
_MARK = "\ue000the value\ue000"

RawHeaders = list[tuple[bytes, bytes]]


def mutated(body: bytes, field: str, value: str) -> bytes:
    """The JSON in `body` with `value` at `field` (`orders.0.email`, `orders.-1.email`); without it where `value` is "".

    `value` is put in as it stands: JSON, or something that only looks like it, such as NaN. A body
    that has no such place stays as it is.
    """
    document = json.loads(body)
    *way, last = field.split(".")
    place = document
    try:
        for step in way:
            place = place[_key(place, step)]
        key = _key(place, last)
        if value:
            place[key] = _MARK
        else:
            del place[key]
    except (KeyError, IndexError, ValueError, TypeError):
        return body
    return json.dumps(document).replace(json.dumps(_MARK), value).encode("utf-8", "surrogatepass")


def _key(place: object, step: str) -> object:
    return int(step) if isinstance(place, list) else step


def replaced(headers: Iterable[tuple[bytes, bytes]], others: Mapping[str, str], length: int | None) -> RawHeaders:
    """These headers with `others` in the place of those of the same name, and with this length of the body."""
    new = {name.lower().encode(): value.encode("latin-1") for name, value in others.items()}
    gone = {*new, b"content-length"}
    if length is not None and b"content-length" not in new:
        new[b"content-length"] = str(length).encode()
    return [*((name, value) for name, value in headers if name.lower() not in gone), *new.items()]


def blanks(size: int, *, packed: bool) -> Iterator[bytes]:
    """`size` bytes of blanks, in whole blocks; `packed` into a gzip stream a thousandth as long.

    The stream has no end: whoever reads on until there misses its checksum, too.
    """
    block = b" " * BLOCK_BYTES
    if packed:
        packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
        begin = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
        yield begin
        # After a full flush a block stands for itself, so that it may be sent again and again.
        block = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    for _ in range(-(-size // BLOCK_BYTES)):
        yield block
