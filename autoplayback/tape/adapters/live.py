"""Classes of libraries whose instances lead into everything: clients, engines, applications, and what an ORM keeps beside a row.

Written field by field, one of them is a web of thousands of objects: a client of boto3 took a second, an instance of SQLAlchemy's
ORM thirty milliseconds. None could be made again from its fields. They and their subclasses become opaque leaves at once.
"""

from __future__ import annotations

from typing import Final

LIVE: Final = frozenset("""
    boto3.resources.base:ServiceResource boto3.session:Session botocore.client:BaseClient botocore.session:Session
    celery.app.base:Celery django.db.backends.base.base:BaseDatabaseWrapper fastapi.applications:FastAPI flask.app:Flask
    redis.asyncio.client:Redis redis.asyncio.connection:ConnectionPool redis.client:Redis redis.connection:ConnectionPool
    sqlalchemy.engine.base:Connection sqlalchemy.engine.base:Engine sqlalchemy.engine.result:Result sqlalchemy.orm.mapper:Mapper
    sqlalchemy.orm.query:Query sqlalchemy.orm.session:Session sqlalchemy.orm.state:InstanceState sqlalchemy.pool.base:Pool
    sqlalchemy.sql.schema:MetaData starlette.applications:Starlette
""".split())  # noqa: SIM905  nobody reads twenty quoted names
