"""dlt at its best at the same work, into DuckDB by Parquet: whole records, or only the fields that syncd keeps.

benchmarks/.peers/bin/python benchmarks/peers/dlt_pull.py URL DIRECTORY [slim]
"""

import sys
from pathlib import Path

import dlt
from dlt.sources.rest_api import rest_api_source

ORDER = ("id", "email", "processed_at", "updated_at", "currency", "total_price", "financial_status")
ITEM = ("product_id", "title", "sku", "quantity", "price")
CUSTOMER = ("id", "email", "created_at", "updated_at", "tags")


def slim_order(order: dict) -> dict:
    items = [{name: line[name] for name in ITEM} for line in order["line_items"]]
    return {name: order[name] for name in ORDER} | {"customer_id": order["customer"]["id"], "line_items": items}


def slim_customer(customer: dict) -> dict:
    return {name: customer[name] for name in CUSTOMER}


SLIM = {"orders": slim_order, "customers": slim_customer}


def resource(name: str, steps: list[dict]) -> dict:
    return {
        "name": name,
        "endpoint": {"path": f"{name}.json", "params": {"limit": 250, "status": "any"}, "data_selector": name},
        "processing_steps": steps,
    }


def pull(url: str, directory: str, fields: str = "all") -> None:
    steps = {name: [{"map": slim}] if fields == "slim" else [] for name, slim in SLIM.items()}
    source = rest_api_source(
        {
            "client": {"base_url": f"{url}/admin/api/2026-07/", "paginator": "header_link"},
            "resources": [resource("customers", steps["customers"]), resource("orders", steps["orders"])],
        }
    )
    file = dlt.destinations.duckdb(str(Path(directory, "shop.duckdb")))
    pipeline = dlt.pipeline("pull", destination=file, dataset_name="bench", pipelines_dir=directory)
    pipeline.run(source, loader_file_format="parquet").raise_on_failed_jobs()


if __name__ == "__main__":
    pull(*sys.argv[1:])
