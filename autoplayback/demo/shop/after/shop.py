"""The shop, changed: three changes of the kind that a review lets through. Compare with ../before/shop.py."""

import json
import os
import sqlite3
import traceback
import uuid
from datetime import datetime
from urllib.parse import parse_qs

import urllib3

http = urllib3.PoolManager()


def database():
    connection = sqlite3.connect(os.environ["SHOP_DATABASE"])
    connection.row_factory = sqlite3.Row
    return connection


def rate(currency):
    answer = http.request("GET", f"{os.environ['SHOP_RATES']}/rates/{currency}")
    return json.loads(answer.data)["rate"]


def total(price, quantity):
    """Five per cent off from ten on."""
    # CHANGE 1: was `quantity > 10`. Meant as a clean-up; orders of exactly ten now cost less.
    return round(price * quantity * (0.95 if quantity >= 10 else 1), 2)


def product(id):
    with database() as connection:
        row = connection.execute("select id, name, price from products where id = ?", (id,)).fetchone()
    # CHANGE 2: a product nobody sells was a TypeError, and so a 500.
    return dict(row) if row is not None else None


def list_products(query):
    with database() as connection:
        return [dict(row) for row in connection.execute("select id, name, price from products order by name")]


def show_product(query):
    found = product(int(query["id"]))
    if found is None:
        return {"error": "no such product"}
    currency = query.get("currency", "USD")
    return {**found, "currency": currency, "price": round(found["price"] * rate(currency), 2)}


def place_order(query, order):
    found = product(order["product"])
    receipt = {"order": str(uuid.uuid4()), "at": datetime.now().isoformat(), "product": found["name"],
               "total": total(found["price"], order["quantity"])}
    with database() as connection:
        connection.execute("insert into orders (id, at, customer, product, quantity) values (?, ?, ?, ?, ?)",
                           (receipt["order"], receipt["at"], order["customer"], order["product"], order["quantity"]))
    return receipt


def list_orders(query):
    with database() as connection:
        rows = connection.execute("select o.id, o.quantity, p.price from orders o join products p on p.id = o.product "
                                  "where o.customer = ? order by o.at", (query["customer"],)).fetchall()
    dollars = round(sum(total(row["price"], row["quantity"]) for row in rows), 2)
    # CHANGE 3: the sum also in euros. It asks the other service, where nothing was asked before.
    return {"customer": query["customer"], "orders": len(rows), "total": dollars, "euros": round(dollars * rate("EUR"), 2)}


ROUTES = {
    ("GET", "/products"): list_products,
    ("GET", "/product"): show_product,
    ("POST", "/order"): place_order,
    ("GET", "/orders"): list_orders,
}


def app(environ, start_response):
    view = ROUTES.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
    status, body = "404 Not Found", {"error": "no such page"}
    if view is not None:
        arguments = [{name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}]
        if environ["REQUEST_METHOD"] == "POST":
            arguments.append(json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))))
        try:
            status, body = "200 OK", view(*arguments)
        except Exception as error:
            traceback.print_exc()
            status, body = "500 Internal Server Error", {"error": f"{type(error).__name__}: {error}"}
    data = json.dumps(body).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
    return [data]
