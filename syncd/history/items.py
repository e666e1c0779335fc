"""What was in the orders of a batch, in the words of its lines. Each article is looked up once in a reading."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import Connection, and_, func, select

from syncd.history.bought import Bought
from syncd.history.database import among
from syncd.history.reading import fetch
from syncd.history.schema import articles, products
from syncd.lifecycle.columns import Items, Texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]


class Wording:
    """The texts of the articles that a reading came upon, each text by a number; "" is 0."""

    def __init__(self) -> None:
        self.texts: Texts = np.array([""], object)
        self._numbers: defaultdict[str, int] = defaultdict(None, {"": 0})
        self._numbers.default_factory = self._numbers.__len__  # each new text is one more
        self._of_article = np.empty((0, 4), np.int64)

    def of(self, db: Connection, ids: Numbers) -> Numbers:
        """The numbers of product id, title, category and sku of each of these articles, one article a row."""
        if (more := int(ids.max(initial=-1)) + 1 - len(self._of_article)) > 0:
            self._of_article = np.concatenate([self._of_article, np.full((more, 4), -1)])
        unknown = ids[self._of_article[ids, 0] < 0]
        if len(unknown):
            self._look_up(db, unknown)
        return self._of_article[ids]

    def _look_up(self, db: Connection, ids: Numbers) -> None:
        of_product = and_(products.c.shop == articles.c.shop, products.c.id == articles.c.product_id)
        # What the shop says of a product now; a line says what it was when it was sold.
        category = func.coalesce(func.nullif(products.c.category, ""), articles.c.category)
        query = select(articles.c.id, articles.c.product_id, articles.c.title, category, articles.c.sku).outerjoin(
            products, of_product
        )
        self._of_article[ids] = 0
        for id_, *texts in fetch(db, query.where(among(db, articles.c.id, ids.tolist()))):
            self._of_article[id_] = [self._numbers[text] for text in texts]
        self.texts = np.array(list(self._numbers), object)


def items_of(db: Connection, bought: Bought, wording: Wording) -> Items:
    """The lines of these orders; `texts` are only those that stand on them."""
    article = bought.lines["article"].astype(np.int64)
    sold = np.zeros(article.max(initial=0) + 1, bool)
    sold[article] = True
    ids = np.flatnonzero(sold)
    place = np.zeros(len(sold), np.int64)
    place[ids] = np.arange(len(ids))
    # The number 0 comes first among them, as "" does among the texts.
    texts, numbers = np.unique(np.append(0, wording.of(db, ids)), return_inverse=True)
    product_id, title, category, sku = numbers[1:].reshape(-1, 4).T[:, place[article]]
    return Items(
        starts=bought.starts,
        product_id=product_id,
        title=title,
        category=category,
        sku=sku,
        quantity=bought.lines["quantity"].astype(np.int64),
        price_minor=bought.lines["price"].copy(),
        texts=wording.texts[texts],
    )
