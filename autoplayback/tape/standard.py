"""What any tape may name, whatever the config trusts: of the standard library, and of libraries we have adapters for."""

from __future__ import annotations

import builtins
import enum
from typing import Any, Final

from autoplayback.tape import state

DATA: Final = frozenset("""
    abc argparse array calendar collections copy csv dataclasses datetime decimal difflib enum fractions functools html
    http ipaddress json math numbers operator pathlib re statistics string time types typing uuid zoneinfo
    collections.abc email._policybase email.charset email.header email.headerregistry email.message
    email.mime.application email.mime.audio email.mime.base email.mime.image email.mime.message email.mime.multipart
    email.mime.nonmultipart email.mime.text email.policy http.cookiejar http.cookies json.decoder urllib.error
    urllib.parse xml.dom _collections_abc _decimal pydantic.networks
    pydantic.types pydantic_core._pydantic_core autoplayback.tape.files
""".split())  # noqa: SIM905  nobody reads fifty quoted names
"""Modules whose classes hold data."""
OTHERS: Final = frozenset("""
    asyncio.exceptions asyncio.queues binascii bz2 concurrent.futures._base concurrent.futures.process
    concurrent.futures.thread configparser email.errors getopt gzip http.client imaplib locale lzma mailbox nntplib
    optparse poplib queue select shutil smtplib socket sqlite3 sqlite3.dbapi2 ssl struct subprocess tarfile tokenize
    tomllib unicodedata urllib.error wave xml.etree.ElementTree xml.parsers.expat xml.sax._exceptions xmlrpc.client
    zipfile zlib _queue _struct
""".split())  # noqa: SIM905
"""Modules, harmless to import, of whose classes only exceptions and enums count."""
NAMED: Final = frozenset({("http.client", "HTTPMessage")})
"""Classes in these that hold data all the same."""
TYPES: Final[dict[str, Any]] = {
    kind.__name__: kind
    for kind in (
        bool, bytearray, bytes, complex, dict, enumerate, filter, float, frozenset, int, list, map, memoryview, object, range,
        reversed, set, slice, str, tuple, type, zip, type(None), type(...), type(NotImplemented),
        type({}.keys()), type({}.values()), type({}.items()),
    )
}
"""Built-in types, also those that no module has by their names."""
FUNCTIONS: Final = frozenset({
    "abs", "all", "any", "ascii", "bin", "callable", "chr", "divmod", "format", "hash", "hex", "id", "isinstance", "issubclass",
    "iter", "len", "max", "min", "next", "oct", "ord", "pow", "repr", "round", "sorted", "sum",
})
"""Built-in functions with which a made-up tape can do no harm, whoever calls them with whatever."""


def may_import(module: str) -> bool:
    """Whether a module may be imported to look for a class in it."""
    return module in DATA or module in OTHERS


def is_harmless(cls: type, module: str) -> bool:
    """Whether a class found in such a module may be made again: nothing may happen when its instances are freed."""
    kind = cls.__mro__
    data = module in DATA or enum.Enum in kind or BaseException in kind or (module, cls.__name__) in NAMED
    return data and (state.static(cls, "__del__") is None)


def built_in(name: str) -> Any:
    """The built-in type, exception or harmless function of a name; None for any other."""
    found = TYPES.get(name)
    if found is None:
        found = builtins.__dict__.get(name)
        if name not in FUNCTIONS and not (isinstance(found, type) and issubclass(found, BaseException)):
            return None
    return found
