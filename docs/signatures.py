"""Signatures as the source has them: types as they are written, defaults by their names, compiled methods by their
stubs. The interpreter knows no types of compiled methods, and shows aliases and private defaults in full.
"""

import ast
import contextlib
import functools
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.domains.python._annotations import _parse_annotation
from sphinx.errors import PycodeError
from sphinx.pycode import ModuleAnalyzer

ATTRIBUTES = ("attribute", "data", "property")
NOT_CALLED = "(*args: object, **kwargs: object)"  # a class whose objects are made by other calls refuses all arguments
kept: dict[str, list[str]] = {}  # the texts of attributes, while Napoleon is at work
PAGE = re.compile(r"`+(docs/[\w/-]+)\.md`+")
NOISE = re.compile(r"\b(?:_|views\.|stats\.|introspect\.)(?=[A-Z])")  # before a type variable, or a public name: _K


def as_written(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str, returns: str
) -> tuple[str, str] | None:
    """For the event ``autodoc-process-signature``."""
    module = getattr(obj, "__module__", None)
    if what in ("class", "function", "method") and module:
        hide_overloads(module)
    if what == "class" and not issubclass(obj, Exception):
        for owner in obj.__mro__:
            for constructor in ("__init__", "__new__"):
                if found := definitions(owner.__module__, f"{owner.__qualname__}.{constructor}"):
                    arguments = shown(found)[0]
                    return "" if arguments == NOT_CALLED else arguments, ""
    if what in ("function", "method"):
        owner = getattr(obj, "__objclass__", None)
        function = inspect.unwrap(getattr(obj, "__func__", obj))
        module = owner.__module__ if owner else function.__module__
        if found := definitions(module, function.__qualname__):
            return shown(found)
    return None


def before_napoleon(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """For the event ``autodoc-process-docstring``. Napoleon gets no attributes: what is before a colon in their
    text, it would take for a type."""
    if what in ATTRIBUTES:
        kept[name] = lines.copy()
        lines.clear()


def after_napoleon(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """For the same event. What Python says of a field of a tuple, or of an int, that has no text is left out. A page of
    ours that a text names becomes a link."""
    if what in ATTRIBUTES:
        lines[:] = [line for line in kept.pop(name) if not line.startswith("Alias for field number")]
    if what == "data" and "\n".join(lines).strip() == inspect.getdoc(type(obj)):
        lines.clear()
    lines[:] = [PAGE.sub(r":doc:`\1.md </\1>`", line) for line in lines]


def type_of_compiled(app: Sphinx, domain: str, kind: str, content: addnodes.desc_content) -> None:
    """For the event ``object-description-transform``. The interpreter knows neither the type of a compiled property
    nor that it is one."""
    assert content.parent is not None
    for signature in content.parent[:-1] if kind == "attribute" else ():
        owner, _, name = signature["fullname"].rpartition(".")
        item = inspect.getattr_static(getattr(importlib.import_module(signature["module"]), owner, None), name, None)
        owner = getattr(item, "__objclass__", None)
        if owner and (found := definitions(owner.__module__, f"{owner.__qualname__}.{name}")):
            for annotation in [one for one in signature if isinstance(one, addnodes.desc_annotation)]:
                signature.remove(annotation)
            signature.insert(0, addnodes.desc_annotation("", "property", addnodes.desc_sig_space()))
            colon = addnodes.desc_sig_punctuation("", ":")
            returns = _parse_annotation(shown(found)[1], app.env)
            signature += addnodes.desc_annotation("", "", colon, addnodes.desc_sig_space(), *returns)


@functools.cache
def hide_overloads(module: str) -> None:
    """Sphinx would show the overloads of Python code in place of the signature: they are for type checkers."""
    with contextlib.suppress(PycodeError):  # a compiled module has no source
        analyzer = ModuleAnalyzer.for_module(module)
        analyzer.analyze()
        analyzer.overloads.clear()


@functools.cache
def definitions(module: str, qualname: str) -> tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...]:
    """The definition of a function of ours, in the stub of its module if there is one; all of them if overloaded."""
    if module.partition(".")[0] not in ("pyhmap", "tophash_cache"):
        return ()
    source = Path(importlib.import_module(module).__file__ or "")
    if source.suffix != ".py":
        source = source.with_name(source.name.partition(".")[0] + ".pyi")
    scope: Any = ast.parse(source.read_text(encoding="utf-8"))
    *classes, last = qualname.split(".")
    for part in classes:
        scope = next((node for node in scope.body if isinstance(node, ast.ClassDef) and node.name == part), None)
        if scope is None:
            return ()
    return tuple(
        node for node in scope.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == last
    )


def shown(found: tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...]) -> tuple[str, str]:
    """Arguments and result. Of overloads, the last is the most general one. What another may leave out has the default
    that it has there, or ``...``."""
    node = found[-1]
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    shortest = min((one.args for one in found), key=lambda one: len(one.posonlyargs + one.args) - len(one.defaults))
    theirs = len(shortest.posonlyargs + shortest.args)
    missing = len(positional) - theirs + len(shortest.defaults) - len(arguments.defaults)
    others = shortest.defaults if theirs == len(positional) else [ast.Constant(...)] * missing
    defaults = [*others[:missing], *arguments.defaults]
    bound = not any(isinstance(one, ast.Name) and one.id == "staticmethod" for one in node.decorator_list)
    if bound and positional and positional[0].arg in ("self", "cls"):
        (arguments.posonlyargs or arguments.args).pop(0)
    given = ast.arguments(**{**{name: getattr(arguments, name) for name in arguments._fields}, "defaults": defaults})
    returns = ast.unparse(node.returns) if node.returns else ""
    return NOISE.sub("", f"({ast.unparse(given)})"), NOISE.sub("", returns)
