"""Live objects of libraries: recording looks at none of them in a way that they would notice, and at none for long."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import boto3
import flask
import pytest
import sqlalchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from autoplayback.tape.values import Encoder, Trust, inspect, rebuild

TRUST = Trust(frozenset({"tests"}), {})


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "person"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@pytest.fixture
def engine() -> Iterator[tuple[sqlalchemy.Engine, list[str]]]:
    made = sqlalchemy.create_engine("sqlite://")
    Base.metadata.create_all(made)
    asked: list[str] = []
    sqlalchemy.event.listen(made, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]))
    yield made, asked
    made.dispose()


def test_rows_of_an_orm_are_their_loaded_fields_and_ask_the_database_nothing(engine: tuple[sqlalchemy.Engine, list[str]]) -> None:
    """Loaded, expired, and detached, where asking would raise; read at replay as they were."""
    made, asked = engine
    with Session(made) as session:
        person = Person(id=1, name="ann")
        session.add(person)
        session.commit()
        asked.clear()
        expired = Encoder().encode(person)
        assert person.name == "ann"
        asked.clear()
        loaded = Encoder().encode([person])
        query = Encoder().encode([session, session.query(Person), made])
    detached = Encoder().encode(person)
    assert asked == []
    assert len(loaded) < 500
    assert len(query) < 500
    assert "name" not in inspect(expired).value
    for document in (loaded, Encoder().encode([person])):
        assert rebuild(document, TRUST)[0].name == "ann"
    assert inspect(detached).value["name"] == "ann"


def test_a_client_is_a_leaf_at_once() -> None:
    """boto3's leads to a description of all that AWS offers."""
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    encoder = Encoder()
    encoder.encode(client)
    began = time.process_time()
    document = encoder.encode({"client": client, "key": "k"})
    assert time.process_time() - began < 0.05
    made = inspect(document)
    assert made["key"] == "k"
    assert made["client"].kind == "opaque"
    assert encoder.opaque == ["botocore.client:S3"] * 2


def test_a_logger_is_its_name() -> None:
    """It leads to all others; at replay it is found again."""
    for number in range(50):
        logging.getLogger(f"shop.{number}")
    logger = logging.getLogger("shop.orders")
    document = Encoder().encode({"log": logger, "root": logging.getLogger()})
    assert len(document) < 150
    made = rebuild(document, TRUST)
    assert made["log"] is logger
    assert made["root"] is logging.getLogger()


def test_proxies_are_not_followed() -> None:
    """Outside a request, where following one raises, and inside."""
    app = flask.Flask("shop")
    document = Encoder().encode([flask.request, flask.g, flask.session])
    assert len(inspect(document)) == 3
    with app.test_request_context("/", method="POST", data=b"body"):
        Encoder().encode(flask.request)
        assert flask.request.get_data() == b"body"


DJANGO = """
import django
from django.conf import settings
settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}, INSTALLED_APPS=[])
django.setup()
from django.db import connection, models
from django.utils.functional import SimpleLazyObject
from autoplayback.tape.values import Encoder, inspect

class Author(models.Model):
    name = models.CharField(max_length=10)
    bio = models.CharField(max_length=10)
    class Meta:
        app_label = "shop"

class Book(models.Model):
    author = models.ForeignKey(Author, on_delete=models.CASCADE)
    class Meta:
        app_label = "shop"

with connection.schema_editor() as schema:
    schema.create_model(Author)
    schema.create_model(Book)
Book.objects.create(author=Author.objects.create(name="ann", bio="x"))
book, author, asked, ran = Book.objects.get(), Author.objects.defer("bio").get(), [], []

def spy(execute, sql, *rest):
    asked.append(sql)
    return execute(sql, *rest)

with connection.execute_wrapper(spy):
    query = Book.objects.filter(id=1)
    for value in (query, book, author, author.book_set, SimpleLazyObject(lambda: ran.append(1)), connection):
        document = Encoder().encode([value])
        assert len(document) < 10_000, value
assert asked == [] and ran == [] and query._result_cache is None and author.get_deferred_fields() == {"bio"}
fields = inspect(Encoder().encode(author)).value
assert fields["name"] == "ann" and "bio" not in fields
"""


def test_what_django_would_fetch_lazily_stays_unfetched() -> None:
    """Querysets, foreign keys, deferred fields, lazy objects: in a process of their own, as Django is configured once."""
    run = subprocess.run([sys.executable, "-c", DJANGO], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("value", [iter([1]), map(str, [1]), (n for n in range(3)), open(__file__, encoding="utf-8")])  # noqa: SIM115
def test_what_can_be_read_once_is_not_read(value: Any) -> None:
    """Iterators, generators, files: the service reads them from their start."""
    assert Encoder().encode([value, {"a": value}, (value,)])
    first = next(iter(value))
    assert first in (1, "1", 0) or first.startswith('"""Live objects')
