"""Cuts a page of JSON into its records by quotes and brackets alone, so that one that is no JSON costs itself only.

Pure. It knows neither platforms nor what a record means.
"""

from __future__ import annotations

import re

# A text, or one of the signs around it.
TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},]', re.DOTALL)


def split(body: bytes, key: str) -> tuple[bytes, list[bytes]]:
    """The page with its list `key` emptied, and the items of that list, each as it was written.

    Raises: ValueError where `body` is no closed object with such a list.
    """
    label, depth, start, opened, closed = b"", 0, 0, -1, -1
    items: list[bytes] = []
    for token in TOKEN.finditer(body):
        sign = token[0]
        inside = depth == 2 and opened >= 0 > closed
        if sign in (b"{", b"["):
            depth += 1
            if sign == b"[" and depth == 2 and opened < 0 and label == b'"%s"' % key.encode():
                opened = start = token.end()
        elif sign in (b"}", b"]"):
            if inside:
                items.append(body[start : token.start()])
                closed = token.start()
            depth -= 1
        elif sign == b",":
            if inside:
                items.append(body[start : token.start()])
                start = token.end()
        elif depth == 1:
            label = sign
    if closed < 0 or depth != 0:
        raise ValueError(f"no whole page with a list {key!r}")
    items = [item.strip() for item in items]
    return body[:opened] + body[closed:], [] if items == [b""] else items
