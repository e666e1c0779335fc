"""Customers and their addresses as Shopify writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncd.sandbox.texts import decimal_text, offset_text

if TYPE_CHECKING:
    from syncd.sandbox.shop import Customer, ShopState

Json = dict[str, Any]

COUNTRIES = {"ES": "Spain", "PT": "Portugal", "FR": "France", "DE": "Germany", "IT": "Italy", "US": "United States"}


# What an app does not see that has no access to protected customer data.
_PROTECTED: Json = {
    "email": None,
    "contact_email": None,
    "phone": None,
    "first_name": None,
    "last_name": None,
    "addresses": [],
    "default_address": None,
    "billing_address": None,
    "shipping_address": None,
}


def veiled(record: Json) -> Json:
    """The order or customer without anything that tells who it is."""
    shown = {**record, **{name: nothing for name, nothing in _PROTECTED.items() if name in record}}
    return shown | {"customer": veiled(record["customer"])} if record.get("customer") else shown


def embedded_customer(shop: ShopState, customer: Customer) -> Json:
    """Inside an order: no counts and no consent, since 2022-07."""
    return {
        "id": customer.id,
        "created_at": offset_text(customer.created_at, shop.timezone),
        "updated_at": offset_text(customer.updated_at, shop.timezone),
        "first_name": customer.first_name,
        "last_name": customer.last_name,
        "state": "disabled",
        "note": None,
        "verified_email": True,
        "multipass_identifier": None,
        "tax_exempt": False,
        "email": customer.email,
        "phone": None,
        "currency": shop.currency,
        "tax_exemptions": [],
        "admin_graphql_api_id": f"gid://shopify/Customer/{customer.id}",
        "default_address": default_address(customer),
    }


def customer_json(shop: ShopState, customer: Customer) -> Json:
    """The customer as `GET /customers/{id}.json` shows it."""
    orders = [shop.orders[each] for each in shop.orders_of.get(customer.id, ())]
    last = max(orders, key=lambda each: each.placed_at, default=None)
    spent = sum(each.total_minor - each.refunded_minor for each in orders if each.cancelled_at is None)
    consented = None if customer.consent_at is None else offset_text(customer.consent_at, shop.timezone)
    where = None if customer.consent == "redacted" else default_address(customer)
    shown = {
        **embedded_customer(shop, customer),
        "note": "",
        "orders_count": len(orders),
        "total_spent": decimal_text(spent, shop.currency),
        "last_order_id": last.id if last else None,
        "last_order_name": f"#{last.number}" if last else None,
        "tags": ", ".join(customer.tags),
        "addresses": [where] if where else [],
        "email_marketing_consent": {
            "state": customer.consent,
            "opt_in_level": "single_opt_in" if consented else None,
            "consent_updated_at": consented,
        },
        "sms_marketing_consent": None,
        "default_address": where,
    }
    return shown if shop.switches.protected_data else veiled(shown)


def address(customer: Customer) -> Json:
    """Where an order goes. Street and telephone are made up of the customer's number."""
    street, line = divmod(customer.id, 10_000)
    return {
        "first_name": customer.first_name,
        "address1": f"{street % 7 + 1} {customer.city or 'Market'} Street",
        "phone": f"+34 600 {line:06d}",
        "city": customer.city,
        "zip": customer.postcode,
        "province": customer.city,
        "country": COUNTRIES.get(customer.country, customer.country),
        "last_name": customer.last_name,
        "address2": "",
        "company": "",
        "latitude": None,
        "longitude": None,
        "name": customer.name,
        "country_code": customer.country,
        "province_code": customer.city[:2].upper(),
    }


def default_address(customer: Customer) -> Json:
    """The address in the customer's own record."""
    country = COUNTRIES.get(customer.country, customer.country)
    extra = {"id": customer.id + 4_000_000, "customer_id": customer.id, "country_name": country, "default": True}
    return address(customer) | extra
