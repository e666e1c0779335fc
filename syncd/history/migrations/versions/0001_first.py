"""The first schema, as of version 1.0. Never edit a migration that was released: add the next one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_leases"),
    )

    op.create_table(
        "articles",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("shop", sa.String(length=64), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_articles"),
        sa.UniqueConstraint("digest", name="uq_articles_digest"),
    )
    op.create_index("ix_articles_product_id", "articles", ["product_id", "shop"], unique=False)

    op.create_table(
        "audiences",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.Text(), server_default="", nullable=False),
        sa.Column("place", sa.String(length=64), server_default="", nullable=False),
        sa.Column("state", sa.String(length=64), server_default="ok", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("member_cursor", sa.Text(), nullable=True),
        sa.Column("members_read_at", sa.BigInteger(), nullable=True),
        sa.Column("judged_day", sa.Integer(), nullable=True),
        sa.Column("rules_digest", sa.Text(), server_default="", nullable=False),
        sa.Column("backfilled_at", sa.BigInteger(), nullable=True),
        sa.Column("pushed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_audiences"),
    )
    op.create_table(
        "cursors",
        sa.Column("shop", sa.String(length=64), nullable=False),
        sa.Column("resource", sa.String(length=64), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=False),
        sa.Column("committed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("shop", "resource", name="pk_cursors"),
    )
    op.create_table(
        "customers",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("signup_at", sa.BigInteger(), nullable=True),
        sa.Column("country", sa.String(length=2), server_default="", nullable=False),
        sa.Column("city", sa.Text(), server_default="", nullable=False),
        sa.Column("language", sa.String(length=16), server_default="", nullable=False),
        sa.Column("wholesale", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("erased_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_customers"),
        sa.UniqueConstraint("email", name="uq_customers_email"),
    )

    op.create_index(
        "ix_customers_erased",
        "customers",
        ["id"],
        unique=False,
        sqlite_where=sa.text("erased_at IS NOT NULL"),
        postgresql_where=sa.text("erased_at IS NOT NULL"),
    )

    op.create_table(
        "companions",
        sa.Column("audience", sa.String(length=64), nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("companion", sa.Text(), nullable=False),
        sa.Column("joint", sa.Integer(), nullable=False),
        sa.Column("lift", sa.Float(), nullable=False),
        sa.Column("least_lift", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("audience", "place", name="pk_companions"),
    )
    op.create_table(
        "figures",
        sa.Column("audience", sa.String(length=64), nullable=False),
        sa.Column("expression", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("audience", "expression", "day", name="pk_figures"),
    )
    op.create_table(
        "keys",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_keys"),
    )
    op.create_table(
        "tombstones",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("erased_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_tombstones"),
    )
    op.create_table(
        "news",
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("audience", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "audience", name="pk_news"),
    )
    op.create_table(
        "order_items",
        sa.Column("shop", sa.String(length=64), nullable=False),
        sa.Column("order_id", sa.String(length=64), nullable=False),
        sa.Column("line", sa.SmallInteger(), nullable=False),
        sa.Column("article_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("shop", "order_id", "line", name="pk_order_items"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_order_items_article_id", "order_items", ["article_id"], unique=False)

    op.create_table(
        "packs",
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("shop", sa.String(length=64), nullable=False),
        sa.Column("orders", sa.LargeBinary(), nullable=False),
        sa.Column("lines", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "shop", name="pk_packs"),
    )
    op.create_table(
        "plans",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("audience", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("muted", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("undoes", sa.String(length=64), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_plans"),
    )

    op.create_index("ix_plans_audience_settled_at", "plans", ["audience", "settled_at"], unique=False)
    op.create_index("ix_plans_audience_state", "plans", ["audience", "state"], unique=False)
    op.create_index(
        "ix_plans_undoes",
        "plans",
        ["undoes"],
        unique=False,
        sqlite_where=sa.text("undoes <> ''"),
        postgresql_where=sa.text("undoes <> ''"),
    )

    op.create_table(
        "products",
        sa.Column("shop", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("shop", "id", name="pk_products"),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("shop", sa.Text(), nullable=False),
        sa.Column("resource", sa.String(length=64), nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_quarantine"),
    )

    op.create_index(
        "ix_quarantine_shop_resource_record_id", "quarantine", ["shop", "resource", "record_id"], unique=True
    )

    op.create_table(
        "refunds",
        sa.Column("shop", sa.String(length=64), nullable=False),
        sa.Column("order_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("goods_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_at", sa.BigInteger(), nullable=False),
        sa.Column("moved", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("shop", "order_id", "id", name="pk_refunds"),
    )
    op.create_table(
        "segments",
        sa.Column("audience", sa.String(length=64), nullable=False),
        sa.Column("bit", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("tag", sa.String(length=150), nullable=False),
        sa.PrimaryKeyConstraint("audience", "bit", name="pk_segments"),
    )

    op.create_index("ix_segments_audience_name_tag", "segments", ["audience", "name", "tag"], unique=True)

    op.create_table(
        "shops",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("platform", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.Text(), server_default="", nullable=False),
        sa.Column("currency", sa.String(length=3), server_default="", nullable=False),
        sa.Column("timezone", sa.String(length=64), server_default="", nullable=False),
        sa.Column("state", sa.String(length=64), server_default="ok", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("pulled_at", sa.BigInteger(), nullable=True),
        sa.Column("backfilled_at", sa.BigInteger(), nullable=True),
        sa.Column("since_at", sa.BigInteger(), nullable=True),
        sa.Column("counted_day", sa.Integer(), nullable=True),
        sa.Column("lacking", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_shops"),
    )
    op.create_table(
        "unpacked",
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("shop", sa.String(length=64), nullable=False),
        sa.Column("since_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "shop", name="pk_unpacked"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "writes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("plan_id", sa.String(length=64), nullable=False),
        sa.Column("audience", sa.String(length=64), nullable=False),
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.Column("removed", sa.BigInteger(), nullable=False),
        sa.Column("fields_before", sa.Text(), nullable=False),
        sa.Column("fields_after", sa.Text(), nullable=False),
        sa.Column("created", sa.Boolean(), nullable=False),
        sa.Column("leaving", sa.String(length=64), server_default="", nullable=False),
        sa.Column("moments", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_writes"),
    )

    op.create_index("ix_writes_audience_at", "writes", ["audience", "at"], unique=False)
    op.create_index("ix_writes_plan_id", "writes", ["plan_id"], unique=False)

    op.create_table(
        "carts",
        sa.Column("shop", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("shop_customer_id", sa.String(length=300), nullable=True),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("value_minor", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("ordered", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_carts_customer_id"),
        sa.PrimaryKeyConstraint("shop", "id", name="pk_carts"),
    )

    op.create_index("ix_carts_customer_id", "carts", ["customer_id"], unique=False)
    op.create_index("ix_carts_shop_customer_id_shop", "carts", ["shop_customer_id", "shop"], unique=False)

    op.create_table(
        "consents",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("shop_customer_id", sa.String(length=300), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("level", sa.Text(), server_default="", nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("observed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_consents_customer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_consents"),
    )

    op.create_index("ix_consents_customer_id", "consents", ["customer_id", "source"], unique=False)

    op.create_table(
        "former_customers",
        sa.Column("shop", sa.String(length=64), nullable=False),
        sa.Column("shop_customer_id", sa.String(length=300), nullable=False),
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_former_customers_customer_id"),
        sa.PrimaryKeyConstraint("shop", "shop_customer_id", "customer_id", name="pk_former_customers"),
    )

    op.create_index("ix_former_customers_customer_id", "former_customers", ["customer_id"], unique=False)

    op.create_table(
        "identities",
        sa.Column("shop", sa.String(length=64), nullable=False),
        sa.Column("shop_customer_id", sa.String(length=300), nullable=False),
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=True),
        sa.Column("country", sa.String(length=2), server_default="", nullable=False),
        sa.Column("city", sa.Text(), server_default="", nullable=False),
        sa.Column("language", sa.String(length=16), server_default="", nullable=False),
        sa.Column("wholesale", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("tags", sa.Text(), server_default="", nullable=False),
        sa.Column("wishes", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_identities_customer_id"),
        sa.PrimaryKeyConstraint("shop", "shop_customer_id", name="pk_identities"),
    )

    op.create_index("ix_identities_customer_id", "identities", ["customer_id", "shop"], unique=False)
    op.create_index(
        "ix_identities_deleted",
        "identities",
        ["shop"],
        unique=False,
        sqlite_where=sa.text("deleted"),
        postgresql_where=sa.text("deleted"),
    )
    op.create_index(
        "ix_identities_wishes",
        "identities",
        ["shop", "customer_id"],
        unique=False,
        sqlite_where=sa.text("wishes <> ''"),
        postgresql_where=sa.text("wishes <> ''"),
    )

    op.create_table(
        "members",
        sa.Column("audience", sa.String(length=64), nullable=False),
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("contact_id", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=64), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("opted_in_at", sa.BigInteger(), nullable=True),
        sa.Column("open_rate", sa.Float(), nullable=True),
        sa.Column("click_rate", sa.Float(), nullable=True),
        sa.Column("clicked_at", sa.BigInteger(), nullable=True),
        sa.Column("birthday", sa.SmallInteger(), nullable=True),
        sa.Column("seen_tags", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_members_customer_id"),
        sa.PrimaryKeyConstraint("audience", "customer_id", name="pk_members"),
        sqlite_with_rowid=False,
    )

    op.create_index("ix_members_audience_contact_id", "members", ["audience", "contact_id"], unique=False)
    op.create_index("ix_members_audience_status", "members", ["audience", "status"], unique=False)

    op.create_table(
        "overrides",
        sa.Column("audience", sa.String(length=64), nullable=False),
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("bit", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_overrides_customer_id"),
        sa.PrimaryKeyConstraint("audience", "customer_id", "bit", name="pk_overrides"),
    )
    op.create_table(
        "moves",
        sa.Column("audience", sa.String(length=64), nullable=False),
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("moved_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("joined_segments", sa.BigInteger(), nullable=False),
        sa.Column("left_segments", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_moves_customer_id"),
        sa.PrimaryKeyConstraint("audience", "customer_id", "moved_at", name="pk_moves"),
        sqlite_with_rowid=False,
    )

    op.create_table(
        "moments",
        sa.Column("episode", sa.String(length=64), nullable=False),
        sa.Column("audience", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=150), nullable=False),
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("happened_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=64), server_default="waiting", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_moments_customer_id"),
        sa.PrimaryKeyConstraint("episode", name="pk_moments"),
    )

    op.create_index("ix_moments_customer_id", "moments", ["customer_id", "audience"], unique=False)
    op.create_index("ix_moments_due", "moments", ["audience", "state", "due_at"], unique=False)
    op.create_index(
        "ix_moments_settled",
        "moments",
        ["audience", "settled_at"],
        unique=False,
        sqlite_where=sa.text("settled_at IS NOT NULL"),
        postgresql_where=sa.text("settled_at IS NOT NULL"),
    )

    op.create_table(
        "moments_in_use",
        sa.Column("audience", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("occasion", sa.String(length=80), nullable=False),
        sa.Column("since_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("audience", "name", name="pk_moments_in_use"),
    )

    op.create_table(
        "orders",
        sa.Column("shop", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("shop_customer_id", sa.String(length=300), nullable=True),
        sa.Column("placed_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("deleted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("paid_minor", sa.BigInteger(), nullable=False),
        sa.Column("goods_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_goods_minor", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_orders_customer_id"),
        sa.PrimaryKeyConstraint("shop", "id", name="pk_orders"),
    )

    op.create_index("ix_orders_customer_id", "orders", ["customer_id", "placed_at"], unique=False)
    op.create_index(
        "ix_orders_deleted",
        "orders",
        ["shop"],
        unique=False,
        sqlite_where=sa.text("deleted"),
        postgresql_where=sa.text("deleted"),
    )
    op.create_index(
        "ix_orders_nobodys",
        "orders",
        ["shop_customer_id"],
        unique=False,
        sqlite_where=sa.text("customer_id IS NULL AND shop_customer_id IS NOT NULL"),
        postgresql_where=sa.text("customer_id IS NULL AND shop_customer_id IS NOT NULL"),
    )

    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("plan_id", sa.String(length=64), nullable=False),
        sa.Column("audience", sa.String(length=64), nullable=False),
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("add_tags", sa.BigInteger(), nullable=False),
        sa.Column("remove_tags", sa.BigInteger(), nullable=False),
        sa.Column("set_fields", sa.Boolean(), nullable=False),
        sa.Column("create_member", sa.Boolean(), nullable=False),
        sa.Column("leaving", sa.String(length=64), server_default="", nullable=False),
        sa.Column("moments", sa.Text(), server_default="", nullable=False),
        sa.Column("back_to", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("known_tags", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("known_fields", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_outbox_plan_id"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_outbox_customer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )

    op.create_index("ix_outbox_audience_plan_id", "outbox", ["audience", "plan_id"], unique=False)

    op.create_table(
        "standings",
        sa.Column("audience", sa.String(length=64), nullable=False),
        sa.Column("customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("segments", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("wanted_tags", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("known_tags", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("wanted_fields", sa.Text(), server_default="", nullable=False),
        sa.Column("known_fields", sa.Text(), server_default="", nullable=False),
        sa.Column("wanted_fields_hash", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("refused", sa.Text(), server_default="", nullable=False),
        sa.Column("refusals", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("leaving", sa.String(length=64), server_default="", nullable=False),
        sa.Column("successor_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("next_due_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_standings_customer_id"),
        sa.ForeignKeyConstraint(["successor_id"], ["customers.id"], name="fk_standings_successor_id"),
        sa.PrimaryKeyConstraint("audience", "customer_id", name="pk_standings"),
    )

    op.create_index("ix_standings_due", "standings", ["audience", "next_due_at"], unique=False)
    op.create_index(
        "ix_standings_differing",
        "standings",
        ["audience", "customer_id"],
        unique=False,
        sqlite_where=sa.text("wanted_tags <> known_tags OR wanted_fields <> known_fields OR leaving <> ''"),
        postgresql_where=sa.text("wanted_tags <> known_tags OR wanted_fields <> known_fields OR leaving <> ''"),
    )
    op.create_index(
        "ix_standings_leaving",
        "standings",
        ["audience", "customer_id"],
        unique=False,
        sqlite_where=sa.text("leaving <> ''"),
        postgresql_where=sa.text("leaving <> ''"),
    )
