"""Which technique holds which kind of target, and the holding itself."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import FunctionType, ModuleType
from typing import Any

from autoplayback.errors import TargetError
from autoplayback.interception import handles, inplace, overrides, resolve, tasks
from autoplayback.interception.files import FileCodec
from autoplayback.interception.filling import standalone
from autoplayback.interception.protocol import Interceptor
from autoplayback.interception.resolve import Located
from autoplayback.interception.target import Declaration, Role, Shape, Target
from autoplayback.interception.wrappers import Site, relay, unseen

_IMMUTABLE = 1 << 8
"""Py_TPFLAGS_IMMUTABLETYPE: a C type whose attributes can't be set."""


@dataclass(slots=True)
class Held:
    """One function held: how, under which targets, what can't be reached, and the way back."""

    technique: str
    targets: list[Target] = field(default_factory=list)
    undo: Callable[[], None] = lambda: None
    warnings: list[str] = field(default_factory=list)
    original: Any = None
    """What was exchanged on an attribute: whoever else holds it stays unheard (`referrers`)."""


def hold(declaration: Declaration, located: Located, interceptor: Interceptor) -> Held:
    """Intercepts one located function. Raises TargetError, with what to do instead, where that can't be."""
    return _Holder(declaration, located, interceptor).hold()


class _Holder:
    def __init__(self, declaration: Declaration, located: Located, interceptor: Interceptor, name: str | None = None) -> None:
        self.declaration = declaration
        self.located = located
        self.interceptor = interceptor
        self.name = name or _name(declaration, located)

    def hold(self) -> Held:
        raw = self.located.raw
        if self.declaration.shape in (Shape.WSGI, Shape.ASGI):
            from autoplayback.interception import web

            return web.hold(self.declaration, self.located, self.interceptor, self.name)
        if self.declaration.role is Role.OPERATION and tasks.is_application(raw):
            return self._tasks(raw)
        if isinstance(raw, property):
            return self._property(raw)
        if isinstance(raw, functools.cached_property):
            return self._chain(raw.func, "cached property: ")
        if isinstance(raw, type):
            return self._class(raw)
        if resolve.is_compiled(raw):
            raise self._refused("is compiled by numba, and called by other such code past Python: intercept what calls it")
        if isinstance(raw, (staticmethod, classmethod, FunctionType)) or inspect.ismethod(raw):
            return self._chain(raw)
        if not callable(raw) and not hasattr(type(raw), "__get__"):
            raise self._refused(f"is a {type(raw).__qualname__}, which can't be called")
        return self._chain(raw)

    def _tasks(self, application: Any) -> Held:
        """A Celery application: the function of each of its tasks, in place, as an operation of its own."""
        held = Held("each of its tasks, in place")
        undos: list[Callable[[], None]] = []

        def take(function: FunctionType, bound: bool) -> None:
            module = sys.modules.get(getattr(function, "__module__", ""))
            if module is None or not tasks.own(function) or inplace.site_of(function) is not None:
                return
            name = function.__qualname__
            located = Located(function.__module__, name, module, module, function.__name__, function, bound)
            one = _Holder(replace(self.declaration, target=located.text, name=None), located, self.interceptor).hold()
            held.targets.extend(one.targets)
            undos.append(one.undo)

        undos.append(tasks.watch(application, take))

        def undo() -> None:
            for one in reversed(undos):
                one()

        held.undo = undo
        return held

    def _chain(self, value: Any, prefix: str = "") -> Held:
        """Holds a function, or the one that its decorators wrap, in place where it is Python's own."""
        chain = [
            link
            for link in resolve.innermost(value)
            if not isinstance(link, (staticmethod, classmethod)) and not inspect.ismethod(link)
        ]
        outside = chain[0] if chain else value
        inside = next((link for link in reversed(chain) if self._belongs(link, outside)), outside)
        if self.declaration.role is Role.OPERATION and getattr(outside, "__globals__", {}).get("__name__") == "contextlib":
            raise self._refused("is a context manager, which a replay can't enter: take the function that uses it")
        chosen = outside if self.declaration.wrap == "outside" else inside
        if not isinstance(chosen, FunctionType):
            chosen = outside
        if isinstance(chosen, FunctionType) and inspect.ismethod(value):
            where = f", in {chosen.__qualname__} for this object only"
            held = self._in_place(chosen, prefix, only=_is(value.__self__), where=where)
        elif isinstance(chosen, FunctionType):
            held = self._in_place(chosen, prefix)
        elif isinstance(resolve.call_of(chosen), FunctionType) and not _is_wrapt(chosen):
            held = self._instance(chosen)
        else:
            held = self._attribute()
        if resolve.is_cache(chosen):
            held.technique += "; outside its cache, so every call is recorded"
        elif len(chain) > 1:
            other = "; `wrap: outside` takes the whole" if chosen is not outside else "; `wrap: inside` takes the function within"
            held.technique += f", {'outside' if chosen is outside else 'inside'} its decorators{other}"
        return held

    def _belongs(self, link: Any, outside: Any) -> bool:
        """Whether a function found through `__wrapped__` is this target's own, and not another one that it was modelled on."""
        if not isinstance(link, FunctionType):
            return link is outside
        module = link.__globals__.get("__name__", "")
        mine = self.located.module
        home = getattr(self.located.holder, "__module__", None) if isinstance(self.located.holder, type) else mine
        if link is outside or module in (mine, home, "__main__"):
            return True
        return bool(module.partition(".")[0] == mine.partition(".")[0] and link.__name__ == self.located.name)

    def _in_place(
        self, function: FunctionType, prefix: str = "", *, only: Callable[[Any], bool] | None = None, where: str = ""
    ) -> Held:
        receives = self.located.method or only is not None
        if only is None and self.located.inherited and receives:
            only = _of_class(self.located.owner, classwise=isinstance(self.located.raw, classmethod))
        held = inplace.site_of(function)
        if held is not None and only is None:
            if held.target.extra.get("declaration") is self.declaration:
                return Held("in place", [])
            return Held("in place", [], warnings=[f"{self.located.text} is intercepted already, as {held.target.name}"])
        target = self._target(function, resolve.shape_of(function), receives)

        def site(original: FunctionType) -> Site:
            return self._site(target, original, 1 if receives else 0, only)

        undo = inplace.swap(function, site)
        result = Held(f"{prefix}in place{where}", [target], undo)
        if self.located.bound:
            target.extra["keeps"] = tasks.request_of
        if self.located.method and not self.located.inherited and isinstance(self.located.owner, type):
            self._overridden(result)
        elif self.located.inherited:
            result.technique += f" in {self.located.holder.__qualname__}, for {self.located.owner.__qualname__} only"
        return result

    def _overridden(self, held: Held) -> None:
        """Holds the overrides in subclasses too, those to come included: they are this method for whoever calls it."""
        if self.located.name.startswith("__") and self.located.name != "__call__":
            return
        owner, name, undos = self.located.owner, self.located.name, [held.undo]

        def override(subclass: type) -> None:
            raw = subclass.__dict__[name]
            located = Located(subclass.__module__, f"{subclass.__qualname__}.{name}", subclass, subclass, name, raw)
            further = _Holder(self.declaration, located, self.interceptor, self.name).hold_one()
            held.targets.extend(further.targets)
            undos.append(further.undo)

        for subclass in overrides.of(owner, name):
            what = f"its override {subclass.__module__}:{subclass.__qualname__}.{name}"
            try:
                override(subclass)
                held.warnings.append(f"{what} is intercepted as the same input")
            except TargetError as error:
                held.warnings.append(f"{what} stays unheard: it {error.reason}")
        undos.append(overrides.watch(owner, name, override))

        def undo() -> None:
            for one in reversed(undos):
                one()

        held.undo = undo

    def hold_one(self) -> Held:
        """Holds an override, whose own overrides its base looks after."""
        self._overridden = lambda held: None  # type: ignore[method-assign]
        return self.hold()

    def _instance(self, value: Any) -> Held:
        """A callable object: its class's `__call__` in place, for this one object, so that whoever holds it is heard."""
        function = inspect.unwrap(type(value).__call__)
        if not isinstance(function, FunctionType):
            return self._attribute()
        where = f", in {type(value).__qualname__}.__call__ for this object only"
        return self._in_place(function, only=_is(value), where=where)

    def _property(self, raw: property) -> Held:
        getter = raw.fget
        if getter is None:
            raise self._refused("is a property without a getter")
        if isinstance(getter, FunctionType):
            return self._chain(getter, "property: ")
        from autoplayback.interception import attributes

        target = self._target(getter, Shape.FUNCTION, True)
        site = self._site(target, relay, 2)
        wrapped = attributes.wrapper(getter, self.located.module, self.located.qualname, site, self._always(target))

        @unseen
        def read(instance: Any) -> Any:
            return wrapped.__get__(instance, type(instance))() if hasattr(getter, "__get__") else site_call(instance)

        run = standalone(site, self.located.name)

        @unseen
        def site_call(instance: Any) -> Any:
            return run(lambda: getter(instance), instance)

        return self._set(property(read, raw.fset, raw.fdel, raw.__doc__), "property rebuilt", [target])

    def _class(self, value: type) -> Held:
        if value.__flags__ & _IMMUTABLE:
            raise self._refused(
                "is a C type, which can't be changed: intercept the function that makes it, with `returns: handle`"
            )
        if self.declaration.handle:
            return self._maker(value)
        for base in value.__mro__:
            if "__init__" in base.__dict__:
                raw = base.__dict__["__init__"]
                located = Located(self.located.module, f"{self.located.qualname}.__init__", value, base, "__init__", raw)
                if base is object:
                    raise self._refused("is a class without an __init__ of its own: there is no call to record")
                return _Holder(self.declaration, located, self.interceptor, self.name).hold()
        raise self._refused("can't be intercepted")

    def _maker(self, value: type) -> Held:
        """A class whose instances are handles: `__new__` makes instance and handle, so that `isinstance` and subclasses stay."""
        own = value.__dict__.get("__new__")
        new: Any = value.__new__
        bare = new is object.__new__

        @unseen
        def construct(cls: type, /, *args: Any, **kwargs: Any) -> Any:
            instance = new(cls) if bare else new(cls, *args, **kwargs)
            if isinstance(instance, cls):
                type(instance).__init__(instance, *args, **kwargs)
            return instance

        target = self._target(value, Shape.FUNCTION, False)
        site = self._site(target, construct, 1)
        run = standalone(site, self.located.name)

        @unseen
        def making(cls: type, /, *args: Any, **kwargs: Any) -> Any:
            if sys._getframe(1).f_globals.get("__name__") == "copyreg":  # a copy of an instance isn't a construction
                return new(cls, *args, **kwargs)
            return run(cls, *args, **kwargs)

        def plain(cls: type, /, *args: Any, **kwargs: Any) -> Any:
            return new(cls) if bare else new(cls, *args, **kwargs)

        type.__setattr__(value, "__new__", staticmethod(making))

        def undo() -> None:
            # Not deleted where it had none: CPython would leave a slot behind that refuses arguments.
            type.__setattr__(value, "__new__", own if own is not None else staticmethod(plain))

        return Held("its __new__, which gives handles", [target], undo)

    def _attribute(self) -> Held:
        from autoplayback.interception import attributes

        owner, name, raw = self.located.owner, self.located.name, self.located.raw
        if attributes.is_wrapped(raw):
            return Held("on the attribute", [])
        if isinstance(owner, type) and owner.__flags__ & _IMMUTABLE:
            raise self._refused(
                f"is a method of the C type {owner.__qualname__}, which can't be changed: intercept the function that makes the"
                " object, with `returns: handle`"
            )
        receives = self.located.method
        target = self._target(raw, resolve.shape_of(getattr(owner, name, raw)), receives)
        site = self._site(target, relay, 2)
        replacement = attributes.wrapper(raw, self.located.module, self.located.qualname, site, self._always(target))
        held = self._set(replacement, "on the attribute", [target])
        if isinstance(owner, ModuleType):
            undo, rebound = held.undo, attributes.rebind(raw, replacement, owner)

            def both() -> None:
                rebound()
                undo()

            held.undo = both
            held.original = raw
        return held

    def _set(self, replacement: Any, technique: str, targets: list[Target]) -> Held:
        owner, name = self.located.owner, self.located.name
        own = vars(owner).get(name)
        setattr(owner, name, replacement)

        def undo() -> None:
            if own is None:
                delattr(owner, name)
            else:
                setattr(owner, name, own)

        return Held(technique, targets, undo)

    def _target(self, value: Any, shape: Shape, receives: bool) -> Target:
        codec = self.declaration.codec
        parameters, defaults = (codec.parameters, {}) if codec is not None else resolve.signature_of(value, receives=receives)
        files: list[str] = getattr(self.declaration.settings, "files", [])
        if files and codec is None and shape in (Shape.FUNCTION, Shape.COROUTINE) and not self.declaration.handle:
            codec = FileCodec(files, parameters, self.declaration.file_limit)
        extra: dict[str, Any] = {"declaration": self.declaration, "defaults": defaults, "apart": self.declaration.apart}
        return Target(
            self.declaration.role,
            self.name,
            self.located.module,
            self.located.qualname,
            shape,
            parameters,
            receives,
            self.declaration.handle,
            codec,
            self.declaration.settings,
            extra,
            self.declaration.acts,
        )

    def _always(self, target: Target) -> bool:
        return target.handle or self.declaration.role.value == "operation" or getattr(self.interceptor, "outside", False)

    def _site(self, target: Target, original: Callable[..., Any], skip: int, only: Callable[[Any], bool] | None = None) -> Site:
        if target.handle:
            original = handles.making(target, self.interceptor, original, skip)
        return Site(target, original, self.interceptor, skip=skip, only=only)

    def _refused(self, reason: str) -> TargetError:
        return TargetError(self.declaration.target, reason, self.declaration.place)


def _name(declaration: Declaration, located: Located) -> str:
    """The name on tapes; where a glob has an alias, each function adds its own."""
    if declaration.name is None:
        return located.text
    last = declaration.target.rpartition(":")[2].rpartition(".")[2]
    if any(mark in last for mark in "*?["):
        alias = declaration.name
        return alias.replace("*", located.name) if "*" in alias else f"{alias}.{located.name}"
    return declaration.name


def _is(value: Any) -> Callable[[Any], bool]:
    return lambda receiver: receiver is value


def _of_class(owner: type, *, classwise: bool) -> Callable[[Any], bool]:
    if classwise:
        return lambda receiver: isinstance(receiver, type) and issubclass(receiver, owner)
    return lambda receiver: isinstance(receiver, owner)


def _is_wrapt(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "wrapt"
