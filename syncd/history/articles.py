"""What stands on the lines of orders: each distinct product, sku, title and category of a shop is kept once.

A line keeps what was sold under the words of that day. Works inside a transaction of its caller.
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2b

import msgspec
from sqlalchemy import Connection, select

from syncd.history.database import among, put
from syncd.history.schema import articles

# The words on a line. A plain tuple of these columns, because there is one for each line.
Article = tuple[str, str, str, str]
FIELDS = ("product_id", "sku", "title", "category")


def article_ids(db: Connection, shop: str, wanted: Collection[Article]) -> dict[Article, int]:
    """The ids of these articles of a shop; what was not known is from now on."""
    digests = {_digest(shop, article): article for article in wanted}
    ids = _known(db, digests)
    if new := digests.keys() - ids:
        # In order, so that two writers never wait for each other.
        rows = [(shop, *digests[digest], digest) for digest in sorted(new)]
        put(db, articles, ("shop", *FIELDS, "digest"), rows, keep=None)
        ids |= _known(db, new)
    return {digests[digest]: id_ for digest, id_ in ids.items()}


def _known(db: Connection, digests: Collection[str]) -> dict[str, int]:
    if not digests:
        return {}
    query = select(articles.c.digest, articles.c.id).where(among(db, articles.c.digest, digests))
    return {row[0]: row[1] for row in db.execute(query).all()}


def _digest(shop: str, article: Article) -> str:
    return blake2b(msgspec.json.encode((shop, *article)), digest_size=16).hexdigest()
