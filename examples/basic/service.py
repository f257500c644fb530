"""A service's operation at its smallest: it reads something, works on it, stores the result and returns the key.

Nothing in here knows of autoplayback: no decorator, no import.
"""

import random
import uuid

STORE = {}  # stands for a database


class Billing:
    """Bills what a water meter counted."""

    def run(self):
        reading = self.next_reading()
        return self.store(self.bill(reading))

    def next_reading(self):
        """The next meter's reading; in earnest, from a queue or an API."""
        return {"meter": random.choice("abc"), "litres": random.randint(0, 20_000)}

    def bill(self, reading):
        """The first 5 cubic metres are cheaper than the rest."""
        cubic = reading["litres"] / 1000
        amount = min(cubic, 5) * 1.20 + max(cubic - 5, 0) * 2.10
        return {"meter": reading["meter"], "amount": round(amount, 2)}

    def store(self, bill):
        key = uuid.uuid4().hex
        STORE[key] = bill
        return key


if __name__ == "__main__":
    for _ in range(10):
        print(Billing().run())
