"""Which calls of a library act on the world: a replay that no longer makes one of them isn't equal, though nothing was missed.

Told by what the protocols themselves say: SQL's verbs, HTTP's methods (RFC 9110, 9.2.1: safe methods), Redis' commands, and the
names of AWS operations. What can't be told is taken for a reading.
"""

from __future__ import annotations

import re
from typing import Any

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_SQL = frozenset({"execute", "executemany", "executescript", "execute_async", "copy", "copy_expert", "callproc", "commit"})
_COMMITTING = frozenset({"connect", "connect_async", "getconn", "transaction"})
_COMMENTS = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/|\()+", re.DOTALL)
_WRITES = re.compile(
    r"(?:INSERT|UPDATE|DELETE|REPLACE|MERGE|UPSERT|TRUNCATE|CREATE|ALTER|DROP|GRANT|REVOKE|CALL|DO|COPY|NOTIFY|COMMIT|END|IMPORT"
    r"|REFRESH|REINDEX|VACUUM|LOAD)\b",
    re.IGNORECASE,
)
_WITHIN = re.compile(
    r"\b(?:INSERT\s+INTO|UPDATE\s+[\w.\"`]+\s+SET|DELETE\s+FROM|MERGE\s+INTO|(?:nextval|setval|pg_notify)\s*\()", re.IGNORECASE
)
_REDIS_READS = """
GET MGET STRLEN GETRANGE SUBSTR EXISTS TTL PTTL EXPIRETIME PEXPIRETIME TYPE KEYS SCAN RANDOMKEY DBSIZE DUMP OBJECT HGET
HMGET HGETALL HKEYS HVALS HLEN HEXISTS HSTRLEN HSCAN HRANDFIELD LRANGE LLEN LINDEX LPOS SMEMBERS SCARD SISMEMBER
SMISMEMBER SSCAN SRANDMEMBER SDIFF SINTER SUNION SINTERCARD ZRANGE ZREVRANGE ZRANGEBYSCORE ZREVRANGEBYSCORE ZRANGEBYLEX
ZSCORE ZMSCORE ZCARD ZCOUNT ZRANK ZREVRANK ZSCAN ZLEXCOUNT ZRANDMEMBER XRANGE XREVRANGE XLEN XREAD XINFO XPENDING
BITCOUNT BITPOS GETBIT PFCOUNT GEOPOS GEODIST GEOSEARCH GEOHASH PING ECHO INFO TIME HELLO AUTH SELECT CLIENT COMMAND
CONFIG MEMORY LATENCY SLOWLOG WATCH UNWATCH MULTI SUBSCRIBE PSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE READONLY READWRITE ROLE
LASTSAVE WAIT SCRIPT
"""
_READS = frozenset(_REDIS_READS.split())
_AWS_READS = (
    *("Get", "List", "Head", "Describe", "Query", "Scan", "Search", "Lookup", "Select", "Receive"),
    *("BatchGet", "TransactGet"),
)


def sql(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """A statement that isn't a query, or a commit; `name` is that of a method of a connection or cursor."""
    holder, _, method = name.rpartition(".")
    if method in ("__exit__", "__aexit__"):  # of a connection or transaction it commits, unless an exception ends it
        return holder.rpartition(".")[2] in _COMMITTING and not any(args)
    if method not in _SQL:
        return False
    if method in ("commit", "callproc"):
        return True
    statement = args[0] if args else next(iter(kwargs.values()), "")
    if isinstance(statement, bytes):
        statement = statement.decode("utf-8", "replace")
    if not isinstance(statement, str):
        statement = str(statement)
    leading = _COMMENTS.match(statement)
    at = leading.end() if leading else 0
    return _WRITES.match(statement, at) is not None or _WITHIN.search(statement, at) is not None


def http(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """A request whose method isn't a safe one."""
    return bool(args) and str(args[0]).upper() not in _SAFE


def redis(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """A command, or one of a pipeline's, that isn't known to only read."""
    if not args:
        return False
    commands = args[0] if isinstance(args[0], list) else [args]
    return any(_verb(command) not in _READS for command in commands if command)


def _verb(command: Any) -> str:
    word = command[0]
    return (word.decode("ascii", "replace") if isinstance(word, bytes) else str(word)).partition(" ")[0].upper()


def aws(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """An operation whose name isn't that of a reading; receiving a message hides it from others, but is a reading."""
    return len(args) > 1 and not str(args[1]).startswith(_AWS_READS)
