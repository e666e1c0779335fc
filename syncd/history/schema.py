"""The tables of the history. A new database is made of this page, an older one by the migrations; a test holds both
against each other.

Instants (`…_at`) are whole UTC seconds, money is `…_minor`, days are local day numbers (`…_day`).
A `customer` is a person under one e-mail key; what each shop knows of the person is an `identity`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

# SQLite numbers its rows only for a plain INTEGER key.
RowId = BigInteger().with_variant(Integer, "sqlite")
Name = String(64)

# One row: the token of whoever writes now, counted up by each.
leases = Table(
    "leases",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("token", BigInteger, nullable=False),
)

shops = Table(
    "shops",
    metadata,
    Column("name", Name, primary_key=True),
    Column("platform", Name, nullable=False),
    Column("fingerprint", Text, nullable=False, server_default=""),
    Column("currency", String(3), nullable=False, server_default=""),
    Column("timezone", Name, nullable=False, server_default=""),
    # ok | blocked (a person must act) | failing (it will be tried again)
    Column("state", Name, nullable=False, server_default="ok"),
    Column("error", Text, nullable=False, server_default=""),
    # When the last whole pull ended well: from here the shop's staleness is counted.
    Column("pulled_at", BigInteger),
    Column("backfilled_at", BigInteger),
    # From when on orders were imported; None for all.
    Column("since_at", BigInteger),
    # The day (UTC) on which the shop's own counts were compared last, and what the history lacked; "" for nothing.
    Column("counted_day", Integer),
    Column("lacking", Text, nullable=False, server_default=""),
)

cursors = Table(
    "cursors",
    metadata,
    Column("shop", Name, primary_key=True),
    Column("resource", Name, primary_key=True),
    Column("cursor", Text, nullable=False),
    Column("committed_at", BigInteger, nullable=False),
)

customers = Table(
    "customers",
    metadata,
    Column("id", RowId, primary_key=True),
    # The normalised address (model.email_key): one person, whatever shop ids they have.
    Column("email", String(254), nullable=False, unique=True),
    Column("signup_at", BigInteger),
    Column("country", String(2), nullable=False, server_default=""),
    Column("city", Text, nullable=False, server_default=""),
    Column("language", String(16), nullable=False, server_default=""),
    Column("wholesale", Boolean, nullable=False, server_default=text("false")),
    # When a shop erased the person on request. Kept, so that nothing read later brings them back.
    Column("erased_at", BigInteger),
    Index(
        "ix_customers_erased",
        "id",
        sqlite_where=text("erased_at IS NOT NULL"),
        postgresql_where=text("erased_at IS NOT NULL"),
    ),
)

identities = Table(
    "identities",
    metadata,
    Column("shop", Name, primary_key=True),
    # The shop's id of the person; guests without one are "guest:" and the customer's e-mail key.
    Column("shop_customer_id", String(300), primary_key=True),
    Column("customer_id", RowId, ForeignKey("customers.id")),
    # Of the shop's record. Below zero where only orders told who it is: any record outweighs them.
    Column("updated_at", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False, server_default=text("false")),
    # The record's own facts, kept by shop id: those of a customer are derived from all their shop ids.
    Column("created_at", BigInteger),
    Column("country", String(2), nullable=False, server_default=""),
    Column("city", Text, nullable=False, server_default=""),
    Column("language", String(16), nullable=False, server_default=""),
    Column("wholesale", Boolean, nullable=False, server_default=text("false")),
    # The shop's tags, one a line.
    Column("tags", Text, nullable=False, server_default=""),
    # The shop's ids of the products on the person's wish list, the latest first, one a line.
    Column("wishes", Text, nullable=False, server_default=""),
    Index("ix_identities_customer_id", "customer_id", "shop"),
    # So that those with a wish list are found without looking at each.
    Index(
        "ix_identities_wishes",
        "shop",
        "customer_id",
        sqlite_where=text("wishes <> ''"),
        postgresql_where=text("wishes <> ''"),
    ),
    # So that the living are counted without looking at each.
    Index("ix_identities_deleted", "shop", sqlite_where=text("deleted"), postgresql_where=text("deleted")),
)

former_customers = Table(
    "former_customers",
    metadata,
    # Whose a shop id was before its address changed, or before another id was merged into it: that
    # customer's contact follows the id. Never the id's customer of now by itself; join to tell.
    Column("shop", Name, primary_key=True),
    Column("shop_customer_id", String(300), primary_key=True),
    Column("customer_id", RowId, ForeignKey("customers.id"), primary_key=True),
    Index("ix_former_customers_customer_id", "customer_id"),
)

consents = Table(
    "consents",
    metadata,
    # Append-only: what a source said, and when. The latest of each source counts.
    Column("id", RowId, primary_key=True),
    Column("customer_id", RowId, ForeignKey("customers.id"), nullable=False),
    Column("source", Name, nullable=False),
    Column("shop_customer_id", String(300), nullable=False),
    Column("state", Name, nullable=False),
    Column("level", Text, nullable=False, server_default=""),
    Column("changed_at", BigInteger, nullable=False),
    Column("observed_at", BigInteger, nullable=False),
    Index("ix_consents_customer_id", "customer_id", "source"),
)

_NOBODYS = "customer_id IS NULL AND shop_customer_id IS NOT NULL"

orders = Table(
    "orders",
    metadata,
    Column("shop", Name, primary_key=True),
    Column("id", Name, primary_key=True),
    # None for a counter sale without any address.
    Column("customer_id", RowId, ForeignKey("customers.id")),
    Column("shop_customer_id", String(300)),
    Column("placed_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("cancelled", Boolean, nullable=False),
    Column("test", Boolean, nullable=False),
    Column("deleted", Boolean, nullable=False, server_default=text("false")),
    Column("currency", String(3), nullable=False),
    Column("paid_minor", BigInteger, nullable=False),
    Column("goods_minor", BigInteger, nullable=False),
    # Sums over the refunds whose money moved.
    Column("refunded_minor", BigInteger, nullable=False),
    Column("refunded_goods_minor", BigInteger, nullable=False),
    # Of the whole record: an overlapping read of the same state changes nothing.
    Column("digest", LargeBinary(16), nullable=False),
    Index("ix_orders_customer_id", "customer_id", "placed_at"),
    Index("ix_orders_deleted", "shop", sqlite_where=text("deleted"), postgresql_where=text("deleted")),
    # Whose orders follow an id that belonged to nobody yet; all others are found by the customer. The id first: an
    # index that begins with the shop would tempt PostgreSQL to read the whole shop whenever it is asked for some
    # orders of a shop, as long as it has no statistics.
    Index(
        "ix_orders_nobodys",
        "shop_customer_id",
        sqlite_where=text(_NOBODYS),
        postgresql_where=text(_NOBODYS),
    ),
)

articles = Table(
    "articles",
    metadata,
    # The words on the lines of orders, each combination once.
    Column("id", RowId, primary_key=True),
    Column("shop", Name, nullable=False),
    Column("product_id", Text, nullable=False),
    Column("sku", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("category", Text, nullable=False),
    # Of all of the above: one short value to find them by.
    Column("digest", String(32), nullable=False, unique=True),
    # The product first, for the same reason as above.
    Index("ix_articles_product_id", "product_id", "shop"),
)

order_items = Table(
    "order_items",
    metadata,
    Column("shop", Name, primary_key=True),
    Column("order_id", Name, primary_key=True),
    Column("line", SmallInteger, primary_key=True),
    Column("article_id", RowId, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("price_minor", BigInteger, nullable=False),
    Index("ix_order_items_article_id", "article_id"),
    # The key is nearly all of a row: it is not kept twice.
    sqlite_with_rowid=False,
)

packs = Table(
    "packs",
    metadata,
    # What a customer bought in a shop, as `packs.ORDER` and `packs.LINE`: all that a judgement reads of it, at once.
    # Derived from the rows, which stay the truth.
    Column("customer_id", RowId, primary_key=True, autoincrement=False),
    Column("shop", Name, primary_key=True),
    Column("orders", LargeBinary, nullable=False),
    Column("lines", LargeBinary, nullable=False),
)

unpacked = Table(
    "unpacked",
    metadata,
    # Whose pack is behind the rows: what was placed before `since_at` is still as it is packed.
    Column("customer_id", RowId, primary_key=True, autoincrement=False),
    Column("shop", Name, primary_key=True),
    Column("since_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

products = Table(
    "products",
    metadata,
    # What the shop calls a thing now; an order keeps the title under which it was bought.
    Column("shop", Name, primary_key=True),
    Column("id", Name, primary_key=True),
    Column("title", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

refunds = Table(
    "refunds",
    metadata,
    Column("shop", Name, primary_key=True),
    Column("order_id", Name, primary_key=True),
    Column("id", Name, primary_key=True),
    Column("amount_minor", BigInteger, nullable=False),
    Column("goods_minor", BigInteger, nullable=False),
    Column("refunded_at", BigInteger, nullable=False),
    Column("moved", Boolean, nullable=False),
)

tombstones = Table(
    "tombstones",
    metadata,
    # Who was erased: of an address, or of a shop's id, a digest under our own key, from which neither can be read.
    Column("digest", String(64), primary_key=True),
    Column("erased_at", BigInteger, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    # Made by us, known to nobody else.
    Column("name", Name, primary_key=True),
    Column("value", LargeBinary(32), nullable=False),
)

carts = Table(
    "carts",
    metadata,
    Column("shop", Name, primary_key=True),
    Column("id", Name, primary_key=True),
    # Of the shop's id where that is known, else of the address; a cart alone makes nobody known in the shop.
    Column("customer_id", RowId, ForeignKey("customers.id")),
    Column("shop_customer_id", String(300)),
    Column("begun_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("value_minor", BigInteger, nullable=False),
    # What the cart's own newest state says.
    Column("closed", Boolean, nullable=False),
    # An order says that it was this cart. That is final, whichever of the two was read first.
    Column("ordered", Boolean, nullable=False, server_default=text("false")),
    Index("ix_carts_customer_id", "customer_id"),
    Index("ix_carts_shop_customer_id_shop", "shop_customer_id", "shop"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", RowId, primary_key=True),
    # A shop, or audiences.NAME.
    Column("shop", Text, nullable=False),
    Column("resource", Name, nullable=False),
    Column("record_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    # As the shop sent it; empty where that was dropped after a while (`keep_raw`).
    Column("raw", LargeBinary, nullable=False),
    Column("first_seen_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="1"),
    Index("ix_quarantine_shop_resource_record_id", "shop", "resource", "record_id", unique=True),
)

audiences = Table(
    "audiences",
    metadata,
    Column("name", Name, primary_key=True),
    Column("fingerprint", Text, nullable=False, server_default=""),
    # Where the history lies that writes to the audience: a copy of it lies elsewhere, and does not.
    Column("place", Name, nullable=False, server_default=""),
    Column("state", Name, nullable=False, server_default="ok"),
    Column("error", Text, nullable=False, server_default=""),
    Column("member_cursor", Text),
    # When the reading of all members began last; from then on only those who changed are read.
    Column("members_read_at", BigInteger),
    # The local day on which everybody was judged last, and the digest of the rules used.
    Column("judged_day", Integer),
    Column("rules_digest", Text, nullable=False, server_default=""),
    # None until the first, muted push is through.
    Column("backfilled_at", BigInteger),
    Column("pushed_at", BigInteger),
)

members = Table(
    "members",
    metadata,
    Column("audience", Name, primary_key=True),
    Column("customer_id", RowId, ForeignKey("customers.id"), primary_key=True),
    Column("contact_id", Name, nullable=False),
    Column("status", Name, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("opted_in_at", BigInteger),
    Column("open_rate", Float),
    Column("click_rate", Float),
    # When the click rate was last seen to rise: the person clicked at that time at the latest.
    Column("clicked_at", BigInteger),
    # Month and day as MMDD; a year is never known.
    Column("birthday", SmallInteger),
    # Our tags that the contact bore when it was last read, as a bit set: what was written since is not among them.
    Column("seen_tags", BigInteger, nullable=False, server_default="0"),
    # A contact keeps its id when its address changes.
    Index("ix_members_audience_contact_id", "audience", "contact_id"),
    # So that subscribers are counted without looking at each.
    Index("ix_members_audience_status", "audience", "status"),
    # A member is looked for by the key, several times a cycle.
    sqlite_with_rowid=False,
)

overrides = Table(
    "overrides",
    metadata,
    # A tag of ours that a contact has lost although the rules want it: it stays off until the person joins the
    # segment anew.
    Column("audience", Name, primary_key=True),
    Column("customer_id", RowId, ForeignKey("customers.id"), primary_key=True),
    Column("bit", SmallInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    # Whether somebody took it off: the service says that the contact was changed. Else it lost the tag by itself.
    Column("by_hand", Boolean, nullable=False),
)

segments = Table(
    "segments",
    metadata,
    # A bit number belongs to one segment under one tag for ever, also after it has left the file.
    Column("audience", Name, primary_key=True),
    Column("bit", SmallInteger, primary_key=True, autoincrement=False),
    Column("name", Name, nullable=False),
    Column("tag", String(150), nullable=False),
    Index("ix_segments_audience_name_tag", "audience", "name", "tag", unique=True),
)

standings = Table(
    "standings",
    metadata,
    # Where a person stands in an audience: bit sets over segments.bit, and the fields as JSON.
    Column("audience", Name, primary_key=True),
    Column("customer_id", RowId, ForeignKey("customers.id"), primary_key=True),
    # In which segments the rules put the person.
    Column("segments", BigInteger, nullable=False, server_default="0"),
    # What the service shall have, and what it confirmed.
    Column("wanted_tags", BigInteger, nullable=False, server_default="0"),
    Column("known_tags", BigInteger, nullable=False, server_default="0"),
    Column("wanted_fields", Text, nullable=False, server_default=""),
    Column("known_fields", Text, nullable=False, server_default=""),
    # Of what the rules said when `wanted_fields` was written; 0 where they said nothing, -1 where it was written
    # from anything else. Whoever says the same again needs no text made of it.
    Column("wanted_fields_hash", BigInteger, nullable=False, server_default="0"),
    # The service refused this person for good, and why: nothing is sent again until that changes.
    Column("refused", Text, nullable=False, server_default=""),
    # How often in a row it refused them for a reason that may pass.
    Column("refusals", SmallInteger, nullable=False, server_default="0"),
    # What becomes of the contact of somebody who is gone from the shops: strip (of what is ours) |
    # archive | rename (to the successor's address); "" for everybody else.
    Column("leaving", Name, nullable=False, server_default=""),
    Column("successor_id", RowId, ForeignKey("customers.id")),
    # The earliest instant at which the calendar alone can change a judgement; None where it never can.
    Column("next_due_at", BigInteger),
    Index("ix_standings_due", "audience", "next_due_at"),
    Index(
        "ix_standings_differing",
        "audience",
        "customer_id",
        sqlite_where=text("wanted_tags <> known_tags OR wanted_fields <> known_fields OR leaving <> ''"),
        postgresql_where=text("wanted_tags <> known_tags OR wanted_fields <> known_fields OR leaving <> ''"),
    ),
    # So that the few who are leaving are known without looking at each.
    Index(
        "ix_standings_leaving",
        "audience",
        "customer_id",
        sqlite_where=text("leaving <> ''"),
        postgresql_where=text("leaving <> ''"),
    ),
)

news = Table(
    "news",
    metadata,
    # Customers with new facts, to be judged in the next cycle. Audience by audience it is emptied.
    Column("customer_id", RowId, primary_key=True),
    Column("audience", Name, primary_key=True),
)

moves = Table(
    "moves",
    metadata,
    # Which segments a person joined and left within a second, as bit sets: a stay lasts from the one to the other.
    # Whoever moves has one row more, and all of a person's lie together.
    Column("audience", Name, primary_key=True),
    Column("customer_id", RowId, ForeignKey("customers.id"), primary_key=True),
    Column("moved_at", BigInteger, primary_key=True, autoincrement=False),
    Column("joined_segments", BigInteger, nullable=False),
    Column("left_segments", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

moments_in_use = Table(
    "moments_in_use",
    metadata,
    # The moments of the playbook that everybody was judged with: what was before `since_at` is never announced.
    Column("audience", Name, primary_key=True),
    Column("name", Name, primary_key=True),
    # What it waits for, as in the playbook: under the same name it may come to mean something else.
    Column("occasion", String(80), nullable=False),
    Column("since_at", BigInteger, nullable=False),
)

moments = Table(
    "moments",
    metadata,
    # An occasion to be announced once. `episode` is made of audience, name and key, so each has one row; it is what
    # the service is told, so that it is found there again.
    Column("episode", Name, primary_key=True),
    Column("audience", Name, nullable=False),
    Column("name", Name, nullable=False),
    # Of the stay (customer/since), the order or the cart (shop/id).
    Column("key", String(150), nullable=False),
    Column("customer_id", RowId, ForeignKey("customers.id"), nullable=False),
    Column("happened_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    # waiting | sending (an answer is outstanding: read before it is repeated) | sent | dropped
    Column("state", Name, nullable=False, server_default="waiting"),
    # Why it was dropped.
    Column("reason", Text, nullable=False, server_default=""),
    # Since when the state is what it is, but for those that wait.
    Column("settled_at", BigInteger),
    Index("ix_moments_due", "audience", "state", "due_at"),
    # Without those that wait: they come and go most.
    Index(
        "ix_moments_settled",
        "audience",
        "settled_at",
        sqlite_where=text("settled_at IS NOT NULL"),
        postgresql_where=text("settled_at IS NOT NULL"),
    ),
    Index("ix_moments_customer_id", "customer_id", "audience"),
)

figures = Table(
    "figures",
    metadata,
    # A figure of the whole audience, frozen for one local day.
    Column("audience", Name, primary_key=True),
    Column("expression", Text, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("value", Float),
)

companions = Table(
    "companions",
    metadata,
    # The product most bought together with another; frozen for a month, with the monthly ones of `figures`.
    Column("audience", Name, primary_key=True),
    # By the title, which may be too long for an index.
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("product", Text, nullable=False),
    Column("companion", Text, nullable=False),
    # How many baskets hold both, how many times as many that is as by chance, and at least.
    Column("joint", Integer, nullable=False),
    Column("lift", Float, nullable=False),
    Column("least_lift", Float, nullable=False),
)

plans = Table(
    "plans",
    metadata,
    Column("id", Name, primary_key=True),
    Column("audience", Name, nullable=False),
    # held | approved | done | superseded
    Column("state", Name, nullable=False),
    Column("muted", Boolean, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("settled_at", BigInteger),
    # The summary as printed: reasons, counts, segments.
    Column("summary", Text, nullable=False),
    # The plan whose writes this one takes back; "" for a plan that follows the rules.
    Column("undoes", Name, nullable=False, server_default=""),
    Index("ix_plans_audience_state", "audience", "state"),
    # So that those few are found without looking at each.
    Index("ix_plans_undoes", "undoes", sqlite_where=text("undoes <> ''"), postgresql_where=text("undoes <> ''")),
    Index("ix_plans_audience_settled_at", "audience", "settled_at"),
)

outbox = Table(
    "outbox",
    metadata,
    # What was decided and committed and is not yet confirmed; one row a person and plan.
    Column("id", RowId, primary_key=True),
    Column("plan_id", Name, ForeignKey("plans.id"), nullable=False),
    Column("audience", Name, nullable=False),
    Column("customer_id", RowId, ForeignKey("customers.id"), nullable=False),
    Column("add_tags", BigInteger, nullable=False),
    Column("remove_tags", BigInteger, nullable=False),
    Column("set_fields", Boolean, nullable=False),
    Column("create_member", Boolean, nullable=False),
    # archive | rename; "" where the contact stays what it is.
    Column("leaving", Name, nullable=False, server_default=""),
    # The episodes of the moments to be announced, as a JSON list; "" for none.
    Column("moments", Text, nullable=False, server_default=""),
    # Of a row that takes back what was written: as JSON the values that fields get again; "" for all other rows.
    Column("back_to", Text, nullable=False, server_default=""),
    # waiting | sending (an answer is outstanding: after a crash, read before writing)
    Column("state", Name, nullable=False),
    # What was known of the person when it was last taken to be sent.
    Column("known_tags", BigInteger, nullable=False, server_default="0"),
    Column("known_fields", Text, nullable=False, server_default=""),
    Index("ix_outbox_audience_plan_id", "audience", "plan_id"),
)

writes = Table(
    "writes",
    metadata,
    # What was confirmed, with what was there before: the audit trail, and what `undo` restores. Of a large plan,
    # which is sent tag by tag, a person has several rows.
    Column("id", RowId, primary_key=True),
    Column("plan_id", Name, nullable=False),
    Column("audience", Name, nullable=False),
    Column("customer_id", RowId, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("added", BigInteger, nullable=False),
    Column("removed", BigInteger, nullable=False),
    Column("fields_before", Text, nullable=False),
    Column("fields_after", Text, nullable=False),
    Column("created", Boolean, nullable=False),
    Column("leaving", Name, nullable=False, server_default=""),
    # The episodes of the moments that were announced, as a JSON list; "" for none.
    Column("moments", Text, nullable=False, server_default=""),
    Index("ix_writes_audience_at", "audience", "at"),
    Index("ix_writes_plan_id", "plan_id"),
)
