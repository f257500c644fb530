"""Holding web applications: whoever has the application object, server, test client or `app.run()`, comes by us."""

from __future__ import annotations

import builtins
import weakref
from collections.abc import Callable
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import FunctionType
from typing import Any

from autoplayback.errors import TargetError
from autoplayback.interception import asgi, inplace, resolve, wsgi
from autoplayback.interception.filling import fill
from autoplayback.interception.protocol import Interceptor, Passage
from autoplayback.interception.resolve import Located
from autoplayback.interception.target import Declaration, Shape, Target
from autoplayback.interception.techniques import Held
from autoplayback.interception.wrappers import Site, entering


def _application(*args: Any, **kwargs: Any) -> Any:
    site: Any = "<site>"
    return site.run(site, args, kwargs)


async def _async_application(*args: Any, **kwargs: Any) -> Any:
    site: Any = "<site>"
    return await site.run(site, args, kwargs)


async def _async_function(scope: Any, receive: Any, send: Any) -> Any:
    site: Any = "<site>"
    return await site.run(site, (scope, receive, send), {})


async def _async_method(self: Any, scope: Any, receive: Any, send: Any) -> Any:
    site: Any = "<site>"
    return await site.run(site, (self, scope, receive, send), {})


def _factory(*args: Any, **kwargs: Any) -> Any:
    site: Any = "<site>"
    return site.run(site, args, kwargs)


class AppSite(Site):
    """A wrapped application; where a class's `__call__` is what is wrapped, it knows which of its instances are meant."""

    __slots__ = ("_apps", "run")

    def __init__(self, target: Target, original: Callable[..., Any], interceptor: Interceptor, *, skip: int = 0) -> None:
        self._apps: dict[int, Any] = {}
        super().__init__(target, original, interceptor, skip=skip)
        self.run = wsgi.run if target.shape is Shape.WSGI else asgi.run

        begin = entering(interceptor)

        def enter(target: Target, app: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Passage | None:
            return begin(target, None, args, kwargs) if not skip or self.knows(app) else None

        self.enter = enter

    def knows(self, app: Any) -> bool:
        """Whether this instance is one that the config means."""
        known = self._apps.get(id(app))
        return known is not None and (known() if isinstance(known, weakref.ref) else known) is app

    def add(self, app: Any) -> None:
        """One more instance; it is not kept alive where that can be helped."""
        key = id(app)
        try:
            self._apps[key] = weakref.ref(app, lambda _: self._apps.pop(key, None))
        except TypeError:
            self._apps[key] = app


class _FactorySite(Site):
    __slots__ = ("run",)

    def __init__(self, target: Target, original: Callable[..., Any], made: Callable[[Any], Any]) -> None:
        super().__init__(target, original, None)

        def run(site: Site, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            return made(site.original(*args, **kwargs))

        self.run = run


def hold(declaration: Declaration, located: Located, interceptor: Interceptor, name: str) -> Held:
    """Intercepts an application, or (`module:factory()`) each one that a factory makes."""
    holder = _Apps(declaration, located, interceptor, name)
    if declaration.target.endswith("()"):
        return holder.factory(located.raw)
    return holder.hold(located.raw)


class _Apps:
    def __init__(self, declaration: Declaration, located: Located, interceptor: Interceptor, name: str) -> None:
        self.declaration = declaration
        self.located = located
        self.interceptor = interceptor
        shape = declaration.shape
        assert shape is not None
        self.target = Target(
            declaration.role,
            name,
            located.module,
            located.qualname,
            shape,
            (("request", 1),),
            False,
            settings=declaration.settings,
            extra={"declaration": declaration, "defaults": {}},
        )
        self.template = _application if shape is Shape.WSGI else _async_application

    def hold(self, app: Any) -> Held:
        if isinstance(app, FunctionType):
            if inplace.site_of(app) is not None:
                return Held("in place")
            undo = self._swap(app, lambda original: AppSite(self.target, original, self.interceptor))
            return Held("in place", [self.target], undo)
        call = resolve.call_of(app)
        if not callable(app) or (isinstance(app, type) and not hasattr(app, "__iter__")):
            raise TargetError(
                self.declaration.target, f"is a {type(app).__qualname__}, not an application", self.declaration.place
            )
        if isinstance(call, FunctionType) and not isinstance(app, type):
            return self._instance(app, call)
        return self._attribute(app)

    def _instance(self, app: Any, call: FunctionType) -> Held:
        """The class's `__call__` in place, for the instances that are meant."""
        technique = f"in place, in {type(app).__qualname__}.__call__ for this object only"
        site = inplace.site_of(call)
        while site is not None:
            if isinstance(site, AppSite) and site.target.extra.get("declaration") is self.declaration:
                site.add(app)
                return Held(technique)
            site = inplace.site_of(site.original)
        made: list[AppSite] = []

        def make(original: FunctionType) -> AppSite:
            made.append(AppSite(self.target, original, self.interceptor, skip=1))
            made[0].add(app)
            return made[0]

        undo = self._swap(call, make)
        return Held(technique, [self.target], undo)

    def _swap(self, function: FunctionType, make: Callable[[FunctionType], AppSite]) -> Callable[[], None]:
        """In place, with the very parameters an ASGI application has.

        uvicorn tells an application from a factory by calling it without arguments: one which took any would be a factory.
        """
        code = function.__code__
        count = code.co_argcount
        templates: dict[int, Callable[..., Any]] = {3: _async_function, 4: _async_method}
        exact = templates.get(count) if self.template is _async_application else None
        if exact is None or code.co_kwonlyargcount or code.co_flags & (CO_VARARGS | CO_VARKEYWORDS):
            return inplace.swap(function, make, self.template)
        undo = inplace.swap(function, make, exact)
        new = function.__code__
        function.__code__ = new.replace(co_varnames=code.co_varnames[:count] + new.co_varnames[count:])  # for keyword callers
        return undo

    def _attribute(self, app: Any) -> Held:
        """An application without Python code of its own to swap (a partial, a class, a C object)."""
        from autoplayback.interception import attributes

        site = AppSite(self.target, app, self.interceptor)
        run = FunctionType(fill(self.template, site), {"__builtins__": builtins}, self.located.name)
        replacement = attributes.Wrapped(app, lambda wrapped, instance, args, kwargs: run(*args, **kwargs))
        replacement._self_place = (self.located.module, self.located.qualname)
        setattr(self.located.owner, self.located.name, replacement)
        rebound = attributes.rebind(app, replacement, self.located.owner)

        def undo() -> None:
            rebound()
            setattr(self.located.owner, self.located.name, app)

        return Held("on the attribute", [self.target], undo)

    def factory(self, factory: Any) -> Held:
        """Each application that the factory returns is held as it is made."""
        undos: list[Callable[[], None]] = []

        def made(app: Any) -> Any:
            from autoplayback.interception.faults import report

            try:
                if isinstance(app, FunctionType) or isinstance(resolve.call_of(app), FunctionType):
                    undos.append(self.hold(app).undo)
                    return app
                site = AppSite(self.target, app, self.interceptor)
                return FunctionType(fill(self.template, site), {"__builtins__": builtins}, "application")
            except Exception as error:
                report(f"holding the application that {self.declaration.target} made", error)
                return app

        if not isinstance(factory, FunctionType):
            raise TargetError(
                self.declaration.target, "is not a function of Python's that makes an application", self.declaration.place
            )
        undo_factory = inplace.swap(factory, lambda original: _FactorySite(self.target, original, made), _factory)

        def undo() -> None:
            undo_factory()
            for one in reversed(undos):
                one()

        return Held("in place, in what the factory returns", [self.target], undo)
