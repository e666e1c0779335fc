"""Orders, customers and the rest as Ecwid's REST API v3 writes them: amounts as JSON numbers, instants in UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

from syncd.sandbox.shopify.customers import COUNTRIES
from syncd.sandbox.texts import number, spaced_text

if TYPE_CHECKING:
    from syncd.sandbox.carts import Cart
    from syncd.sandbox.shop import Customer, Line, Order, Product, ShopState, Tombstone

Json = dict[str, Any]

STATUSES = {
    "paid": "PAID",
    "pending": "AWAITING_PAYMENT",
    "authorized": "AWAITING_PAYMENT",
    "partially_paid": "AWAITING_PAYMENT",
    "partially_refunded": "PARTIALLY_REFUNDED",
    "refunded": "REFUNDED",
    "voided": "CANCELLED",
    "expired": "INCOMPLETE",
}
PAYMENT_STATUSES = {*STATUSES.values(), *(f"CUSTOM_PAYMENT_STATUS_{n}" for n in (1, 2, 3))}
# None: never asked; Ecwid itself reads that as permission.
ACCEPTS = {"subscribed": True, "unsubscribed": False, "redacted": False, "invalid": False}
# What is the same in every order here.
_ALWAYS: Json = {
    "pricesIncludeTax": True,
    "couponDiscount": 0,
    "discount": 0,
    "ipAddress": "192.0.2.1",
    "paymentMethod": "Credit or debit card",
    "paymentModule": "EcwidPayments",
    "additionalInfo": {},
    "paymentParams": {},
    "hidden": False,
}
# Where a buyer came from; the last two are Mailchimp's recipient and campaign.
UTM = ("source", "campaign", "medium", "mcEid", "mcCid")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SPACE = 26**6
_FACTOR = 184_329_731  # shares no factor with 26, so that every number has its own letters
_INVERSE: int = pow(_FACTOR, -1, _SPACE)


def letters(order_id: int) -> str:
    """The order's public id: six letters that look like chance."""
    left, text = order_id * _FACTOR % _SPACE, ""
    for _ in range(6):
        left, digit = divmod(left, 26)
        text = _LETTERS[digit] + text
    return text


def order_number(text: str) -> int | None:
    """The order's number behind its public id."""
    if len(text) != 6 or any(each not in _LETTERS for each in text):
        return None
    value: int = 0
    for each in text:
        value = value * 26 + _LETTERS.index(each)
    return value * _INVERSE % _SPACE


def category_id(category: str) -> int:
    """A category's number, the same in every run."""
    return 9_000_000 + crc32(category.encode()) % 900_000


def usd_total(minor: int, currency: str) -> float:
    """The amount in dollars, whatever the store sells in."""
    return round(number(minor, currency) * (1.0 if currency == "USD" else 1.09), 2)


def group_of(customer: Customer) -> tuple[int, str]:
    """The group that the merchant put the customer in: here the first tag."""
    return (1_000 + crc32(customer.tags[0].encode()) % 900_000, customer.tags[0]) if customer.tags else (0, "General")


def accepts_of(shop: ShopState, customer_id: int | None) -> bool | None:
    """Whether the customer agreed to advertising; None: never asked, or nobody."""
    customer = shop.customers.get(customer_id) if customer_id is not None else None
    return ACCEPTS.get(customer.consent) if customer else None


def fulfillment_of(order: Order) -> str:
    """How far the goods are."""
    return "DELIVERED" if order.closed_at is not None else "AWAITING_PROCESSING"


def status_of(order: Order) -> str:
    """The order's payment status; a cancelled order is CANCELLED unless its money went back."""
    status = STATUSES[order.status]
    return "CANCELLED" if order.cancelled_at is not None and status != "REFUNDED" else status


def order_json(shop: ShopState, order: Order) -> Json:
    """The order as `GET /orders/{id}` shows it."""
    customer = shop.customers.get(order.customer_id) if order.customer_id is not None else None
    person = person_json(customer) if customer else None
    gross_minor = order.total_minor + order.gift_card_minor
    group_id, group = group_of(customer) if customer else (0, "General")

    def money(minor: int) -> float:
        return number(minor, order.currency)

    body = _ALWAYS | {
        "id": letters(order.id),
        "internalId": order.id,
        "orderNumber": order.id,
        "vendorOrderNumber": letters(order.id),
        "subtotal": money(gross_minor - order.shipping_minor),
        "total": money(order.total_minor),
        "usdTotal": usd_total(order.total_minor, order.currency),
        "giftCardRedemption": money(order.gift_card_minor),
        "totalBeforeGiftCardRedemption": money(gross_minor),
        "tax": money(order.tax_minor),
        "shippingOption": {"shippingMethodName": "Standard", "shippingRate": money(order.shipping_minor)},
        "email": order.email,
        "paymentStatus": status_of(order),
        "fulfillmentStatus": fulfillment_of(order),
        "createDate": spaced_text(order.placed_at),
        "updateDate": spaced_text(order.updated_at),
        "createTimestamp": order.placed_at,
        "updateTimestamp": order.updated_at,
        "items": [item_json(order, n, line) for n, line in enumerate(order.lines)],
        "billingPerson": person,
        "shippingPerson": person,
        "acceptMarketing": accepts_of(shop, order.customer_id),
        "customerGroupId": group_id,
        "customerGroup": group,
        "utmData": {name: order.utm.get(name) for name in UTM} if order.utm else None,
    }
    if order.customer_id is not None:
        body["customerId"] = order.customer_id
    return body | _refunds_json(shop, order)


def _refunds_json(shop: ShopState, order: Order) -> Json:
    """Filled for some payment methods only, so REFUNDED with nothing refunded exists."""
    moved = [each for each in order.refunds if each.outcome == "success"]
    if not moved or not shop.switches.refund_amounts:
        return {"refundedAmount": 0, "refunds": []}
    refunds = [
        {
            "date": spaced_text(each.at),
            "source": "CP",
            "reason": "",
            "amount": number(each.amount_minor, order.currency),
        }
        for each in moved
    ]
    return {"refundedAmount": number(order.refunded_minor, order.currency), "refunds": refunds}


def item_json(order: Order | Cart, n: int, line: Line) -> Json:
    """Line `n` of an order or a cart."""
    price = number(line.price_minor, order.currency)
    return {
        "id": order.id * 100 + n,
        "productId": line.product.id,
        "categoryId": category_id(line.product.category) if line.product.category else 0,
        "price": price,
        "productPrice": price,
        "sku": line.product.sku,
        "quantity": line.quantity,
        "name": line.product.title,
        "tax": 0,
        "shipping": 0,
        "weight": 0.1,
        "isShippingRequired": True,
        "digital": False,
        "selectedOptions": [],
        "taxes": [],
    }


def person_json(customer: Customer) -> Json:
    """Name and address of the customer."""
    return {
        "name": customer.name,
        "firstName": customer.first_name,
        "lastName": customer.last_name,
        "city": customer.city,
        "countryCode": customer.country,
        "countryName": COUNTRIES.get(customer.country, customer.country),
        "postalCode": customer.postcode,
    }


def customer_json(shop: ShopState, customer: Customer) -> Json:
    """The customer as `GET /customers/{id}` shows it."""
    orders = [shop.orders[each] for each in shop.orders_of.get(customer.id, ())]
    return {
        "id": customer.id,
        "name": customer.name,
        "email": customer.email,
        "registered": spaced_text(customer.created_at),
        "updated": spaced_text(customer.updated_at),
        "totalOrderCount": len(orders),
        "customerGroupId": group_of(customer)[0],
        "customerGroupName": group_of(customer)[1],
        "billingPerson": person_json(customer),
        "shippingAddresses": [],
        "contacts": [_contact(customer)] if customer.email else [],
        "taxExempt": False,
        "taxIdValid": True,
        "acceptMarketing": ACCEPTS.get(customer.consent),
        "lang": customer.language,
        "privateAdminNotes": "",
        "favorites": [
            {"productId": each.product_id, "addedTimestamp": spaced_text(each.at)} for each in customer.favorites
        ],
        "stats": _stats(orders, shop.currency),
    }


def _contact(customer: Customer) -> Json:
    return {"id": customer.id + 1, "contact": customer.email, "type": "EMAIL", "default": True, "orderBy": 0}


def _stats(orders: list[Order], currency: str) -> Json:
    sales = number(sum(each.total_minor for each in orders), currency)
    placed = [each.placed_at for each in orders]
    return {
        "numberOfOrders": len(orders),
        "salesValue": sales,
        "averageOrderValue": round(sales / len(orders), 2) if orders else 0,
        "firstOrderDate": spaced_text(min(placed)) if placed else None,
        "lastOrderDate": spaced_text(max(placed)) if placed else None,
    }


def deleted_json(shop: ShopState, stone: Tombstone) -> Json:
    """A deletion as `GET /orders/deleted` and `GET /customers/deleted` show it."""
    if stone.kind == "Order":
        return {"id": stone.subject_id, "orderId": letters(stone.subject_id), "date": spaced_text(stone.created_at)}
    return {"id": stone.subject_id, "date": spaced_text(stone.created_at)}


def category_json(name: str, made_as: str) -> Json:
    """The category as `GET /categories` shows it."""
    return {"id": category_id(made_as), "name": name, "enabled": True}


def product_json(product: Product, currency: str) -> Json:
    """The product as `GET /products` shows it."""
    return {
        "id": product.id,
        "sku": product.sku,
        "name": product.title,
        "price": number(product.price_minor, currency),
        "enabled": True,
        "created": spaced_text(product.created_at),
        "createTimestamp": product.created_at,
        "updated": spaced_text(product.updated_at),
        "updateTimestamp": product.updated_at,
        "categoryIds": [category_id(product.category)] if product.category else [],
        "defaultCategoryId": category_id(product.category) if product.category else 0,
    }


def profile_json(shop: ShopState) -> Json:
    """The store as `GET /profile` shows it."""
    return {
        "generalInfo": {"storeId": shop.store_id, "storeUrl": f"https://{shop.name}.example.com"},
        "account": {"accountName": "Sandbox Owner", "accountEmail": f"owner@{shop.name}.example.com"},
        "settings": {"storeName": shop.title, "closed": False},
        "company": {"companyName": shop.title, "email": f"owner@{shop.name}.example.com", "countryCode": "ES"},
        "formatsAndUnits": {
            "currency": shop.currency,
            "currencyPrefix": "",
            "currencySuffix": " €",
            "currencyPrecision": 2,
            "weightUnit": "KILOGRAM",
            "dateFormat": "dd-MM-yyyy",
            "timeFormat": "HH:mm:ss",
            "timezone": shop.timezone,
        },
        "languages": {"enabledLanguages": ["es"], "defaultLanguage": "es"},
    }
