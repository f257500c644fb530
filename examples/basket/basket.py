import json


def rate(currency):                                # reads the world: an input
    return json.load(open("rates.json"))[currency]


def mail(to, text):                                # changes the world: an output
    print(f"{to}: {text}", file=open("outbox.txt", "a"))


def checkout(customer, items, currency):           # what is to be recorded: an operation
    total = sum(price * count for price, count in items)
    total = round(total * rate(currency), 2)
    mail(customer, f"you paid {total} {currency}")
    return {"customer": customer, "total": total}


if __name__ == "__main__":
    for customer, cups in [("ann", 1), ("bob", 6), ("eve", 12)]:
        print(checkout(customer, [(24.9, 1), (4.25, cups)], "EUR"))
