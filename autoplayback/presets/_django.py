"""Django's ORM over an intercepted driver: a tape holds what the operation asked, however old the connection it found.

Django keeps a connection per thread, over many requests where CONN_MAX_AGE says so; making one asks the server for its version,
sets the time zone and the like. So the first use of a connection in an operation is one call, whatever went on within, and its
answer is the driver's connection (a handle), along with what Django had learnt of the server. Replaying, none is made.
"""

from __future__ import annotations

import inspect
import sys
import time
import weakref
from typing import TYPE_CHECKING, Any

from autoplayback.errors import ReplayError
from autoplayback.interception.context import current
from autoplayback.interception.handles import is_handle
from autoplayback.interception.protocol import ResultCodec
from autoplayback.presets import PresetTarget, _acts
from autoplayback.presets._sqlalchemy import NoConnection

if TYPE_CHECKING:
    from types import FrameType

    from autoplayback.interception.context import Scope
    from autoplayback.interception.protocol import Answer, Passage

_PLAIN = frozenset({type(None), bool, int, float, str})
_LOOKING = "close_if_unusable_or_obsolete"
"""What Django asks of each connection it has as a request begins and ends: a replay, which has none yet, doesn't."""


class ConnectionCodec(ResultCodec):
    """`BaseDatabaseWrapper.ensure_connection`, which stands before each use of a connection."""

    parameters = (("alias", int(inspect.Parameter.POSITIONAL_OR_KEYWORD)),)

    def __init__(self) -> None:
        self._noted: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        """Per wrapper the operation, by its seed, that has the connection on its tape."""

    def concerns(self, receiver: Any) -> bool:
        scope = current.get()
        if scope is None:
            return True
        if receiver.connection is not None and (self._noted.get(receiver) == scope.seed or _looked_at()):
            return False
        self._noted[receiver] = scope.seed
        return True

    def asked(
        self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, replaying: bool = False
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        options = receiver.settings_dict["OPTIONS"]
        level = options.get("isolation_level", options.get("transaction_mode"))
        return (receiver.alias,), {} if level is None else {"isolation_level": str(level)}

    def begun(self, passage: Passage, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Passage:
        return _Connecting(passage, receiver)

    def closed(self, answer: Answer, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        known = answer.value
        if known["connection"] is None:
            raise ReplayError(
                f"the driver of Django's database {receiver.alias!r} was not recorded: name its preset under `inputs:`"
            )
        _open(receiver, known["connection"])
        receiver.autocommit = known["autocommit"]
        if known["left"] is not None:
            receiver.close_at = time.monotonic() + known["left"]
        for holder, learnt in ((receiver, known["learnt"]), (receiver.features, known["features"])):
            vars(holder).update(learnt)

    def outside(self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if receiver.connection is None:
            _open(receiver, NoConnection())


class ContentTypeCodec(ResultCodec):
    """Ways to ask for a ContentType, which Django keeps for the rest of the process: only the first of them asks the database."""

    parameters = (("model", int(inspect.Parameter.POSITIONAL_OR_KEYWORD)),)

    def asked(
        self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, replaying: bool = False
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        given = (*args, *kwargs.values())
        if isinstance(given[0], (int, str)):  # an id, or a natural key
            return (list(given) if len(given) > 1 else given[0],), {}
        options = receiver._get_opts(given[0], given[1] if len(given) > 1 else True)
        return (options.label_lower,), {}

    def opened(self, result: Any, passage: Passage) -> Any:
        passage.returned([result.pk, result.app_label, result.model])
        return result

    def closed(self, answer: Answer, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return receiver.model.from_db(receiver.db, ["id", "app_label", "model"], answer.value)


class _Connecting:
    """The passage of one `ensure_connection`: what it notes is the connection, which the function itself doesn't return."""

    def __init__(self, passage: Passage, wrapper: Any) -> None:
        self._passage = passage
        self._wrapper = wrapper

    @property
    def scope(self) -> Scope:
        return self._passage.scope

    def returned(self, value: Any) -> Any:
        wrapper = self._wrapper
        self._passage.returned(
            {
                "connection": wrapper.connection if is_handle(wrapper.connection) else None,
                "autocommit": wrapper.autocommit,
                "left": None if wrapper.close_at is None else wrapper.close_at - time.monotonic(),
                "learnt": _learnt(wrapper),
                "features": _learnt(wrapper.features),
            }
        )
        return value

    def __getattr__(self, name: str) -> Any:
        return getattr(self._passage, name)


def _looked_at() -> bool:
    """Whether this is about a connection that Django merely looks at, to see whether to keep it."""
    frame: FrameType | None = sys._getframe(2)
    for _ in range(12):
        if frame is None or frame.f_code.co_name == _LOOKING:
            break
        frame = frame.f_back
    return frame is not None and frame.f_code.co_name == _LOOKING


def _open(wrapper: Any, connection: Any) -> None:
    """What `connect` leaves behind, without asking a server anything."""
    if wrapper.connection is None:
        wrapper.in_atomic_block = wrapper.needs_rollback = wrapper.closed_in_transaction = wrapper.errors_occurred = False
        wrapper.savepoint_ids, wrapper.atomic_blocks, wrapper.run_on_commit = [], [], []
        wrapper.health_check_enabled = wrapper.settings_dict["CONN_HEALTH_CHECKS"]
        wrapper.health_check_done = True
        wrapper.autocommit = wrapper.settings_dict["AUTOCOMMIT"]
        wrapper.close_at = None
    wrapper.connection = connection


def _learnt(holder: Any) -> dict[str, Any]:
    """What its cached properties have found out, as far as it is plain."""
    cached_property = sys.modules["django.utils.functional"].cached_property
    return {
        name: value
        for name, value in vars(holder).items()
        if isinstance(getattr(type(holder), name, None), cached_property)
        and (type(value) in _PLAIN or (type(value) is tuple and all(type(part) in _PLAIN for part in value)))
    }


CONTENT_TYPE = ContentTypeCodec()
_CONTENT_TYPES = "django.contrib.contenttypes.models:ContentTypeManager."
TARGETS = (
    PresetTarget(
        "django.db.backends.base.base:BaseDatabaseWrapper.ensure_connection",
        "django.connection",
        codec=ConnectionCodec(),
        beside=True,
    ),
    # Django looks into the new cursor's adapters, and makes one of its own class for `iterator()`; names it by the thread.
    PresetTarget(
        "django.db.backends.postgresql.base:DatabaseWrapper.create_cursor",
        "django.cursor",
        ignore=("name",),
        handle=True,
        acts=_acts.sql,
        beside=True,
    ),
    # Named by the thread and by a count over the connection's life; what is done with it goes by that name.
    PresetTarget("django.db.backends.base.base:BaseDatabaseWrapper.savepoint", "django.savepoint", beside=True),
    *(
        PresetTarget(f"{_CONTENT_TYPES}{name}", "django.content_type", codec=CONTENT_TYPE, beside=True)
        for name in ("get_for_model", "get_for_id", "get_by_natural_key")
    ),
)
