"""CPython's own tests of `set` and `dict`, run over sets and maps of objects.

The tests are those of the installed standard library; without its package `test` they are skipped. In a copy of a test
module, `set` and `dict` are classes over HSet and HMap, and so are the set and dict displays. DIFFERENCES lists the
tests that then fail, each with the line of docs/semantics.md that says so, or with the reason why it tests something
else. A test of that list must fail: if it passes, remove it from the list.
"""

import ast
import importlib.util
import sys
import unittest
from pathlib import Path
from types import ModuleType

import pytest

from pyhmap import HMap, HSet
from pyhmap._reference.engine import ReferenceMap

pytest.importorskip("test.test_set")
pytest.importorskip("test.test_dict")


class ObjectSet(HSet):
    """A set with the constructor of `set`."""

    __slots__ = ()

    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)

    def __init__(self, items=(), /):
        if hasattr(self, "_map"):
            self.clear()
            self.update(items)
        else:
            super().__init__(object, items)


class DictMethods:
    """The constructors of `dict`."""

    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)

    def __init__(self, *args, **kwargs):
        super().__init__(object, object)
        self.update(*args, **kwargs)

    @classmethod
    def fromkeys(cls, keys, value=None):
        made = cls()
        for key in keys:
            made[key] = value
        return made


class ObjectMap(DictMethods, HMap):
    """A compiled map with the constructors of `dict`."""


class ObjectReference(DictMethods, ReferenceMap):
    """A reference map with the constructors of `dict`."""


class CallForDisplay(ast.NodeTransformer):
    """Makes a set from each set display, and a map from each dict display."""

    def visit_Set(self, node):
        return self.called("set", node)

    def visit_Dict(self, node):
        return self.called("dict", node)

    visit_SetComp, visit_DictComp = visit_Set, visit_Dict

    def called(self, name, node):
        self.generic_visit(node)
        return ast.Call(ast.Name(name, ast.Load()), [node], [])


def load(name, **types):
    """A copy of a test module with other types for `set` or `dict`. It is not the module that `import` finds."""
    source = Path(importlib.util.find_spec(name).origin)
    tree = ast.fix_missing_locations(CallForDisplay().visit(ast.parse(source.read_text("utf-8"))))
    module = ModuleType(name)
    vars(module).update(types)
    exec(compile(tree, source, "exec"), vars(module))
    return module


SETS = load("test.test_set", set=ObjectSet)
SETS.TestSetSubclass.basetype = SETS.SetSubclass  # a result is of the class of the left operand, as HSet says
MAPS = {"compiled": load("test.test_dict", dict=ObjectMap), "reference": load("test.test_dict", dict=ObjectReference)}

NO_ORDER = "line 28: the order is that of the table"
REPR = "line 45: a repr names the class and the types"
UNHASHABLE = "lines 13 and 39: `in` is a look-up, and a set cannot be hashed; `set` looks for an equal frozenset"
HASHED_AGAIN = "line 13: objects are hashed whenever they are looked up; `set` and `dict` know the hashes of each other"
ITERATORS = "line 46: iterators cannot be pickled"
NO_REVERSED = "line 46: no reversed()"
ITS_DICT = "tests how the collector tracks a dict"

DIFFERENCES = {
    "TestSet": {
        "test_contains": UNHASHABLE,
        "test_discard": UNHASHABLE,
        "test_remove": UNHASHABLE,
        "test_remove_keyerror_set": UNHASHABLE,
        "test_cyclical_repr": REPR,
        "test_do_not_rehash_dict_keys": HASHED_AGAIN,
        "test_free_after_iterating": "line 46: an iterator keeps the table alive, and no subclass of HSet",
        "test_iterator_pickling": ITERATORS,
    },
    **{f"TestBasicOps{of}": {"test_repr": REPR} for of in ("Empty", "Singleton", "Tuple")},
    **{f"TestBasicOps{of}": {"test_repr": REPR} for of in ("String", "Bytes", "MixedStringBytes")},
    "TestWeirdBugs": {"test_iter_and_mutate": "line 27: adding a key always ends a running iteration"},
    "DictTest": {
        "test_dict_copy_order": NO_ORDER,
        "test_popitem": NO_ORDER,
        "test_repr": REPR,
        "test_keys": REPR,
        "test_values": REPR,
        "test_items": REPR,
        "test_missing": "line 46: no __missing__",
        "test_views_mapping": "line 46: views have no attribute `mapping`",
        "test_iterator_pickling": ITERATORS,
        "test_itemiterator_pickling": ITERATORS,
        "test_valuesiterator_pickling": ITERATORS,
        "test_reversed": NO_REVERSED,
        "test_reverse_iterator_for_empty_dict": NO_REVERSED,
        "test_dict_items_result_gc_reversed": NO_REVERSED,
        "test_reverseiterator_pickling": NO_REVERSED,
        "test_reverseitemiterator_pickling": NO_REVERSED,
        "test_reversevaluesiterator_pickling": NO_REVERSED,
        "test_merge_and_mutate": "line 19: update() converts the whole other map before it stores",
        "test_equal_operator_modifying_operand": "line 38: a key that __eq__ removes meanwhile is not equal any more",
        "test_setdefault_atomic": "counts hashes from a dict display, which here makes a map from a dict",
        "test_setitem_atomic_at_resize": "counts hashes from a dict display, which here makes a map from a dict",
        "test_track_dynamic": ITS_DICT,
        "test_track_literals": ITS_DICT,
    },
    "TestHashMappingProtocol": {"test_popitem": NO_ORDER, "test_repr": REPR},
}


def differences(cls):
    """The tests of a class that are known to fail, with the reasons."""
    known = [DIFFERENCES.get(base.__name__, {}) for base in cls.__mro__]
    names = {name: reason for tests in known for name, reason in tests.items()}
    return {name: reason for name, reason in names.items() if hasattr(cls, name)}


def cases():
    """The classes of CPython's tests by the names that they have here. Those of frozenset test none of our classes."""
    protocol = importlib.import_module("test.mapping_tests").TestHashMappingProtocol
    for engine, module in MAPS.items():
        made = type("TestHashMappingProtocol", (protocol,), {"type2test": vars(module)["dict"]})
        yield f"{made.__name__}_{engine}", made
        for name in ("DictTest", "GeneralMappingTests", "SubclassMappingTests"):
            yield f"{name}_{engine}", vars(module)[name]
    for name, cls in vars(SETS).items():
        if isinstance(cls, type) and issubclass(cls, unittest.TestCase) and "Frozen" not in name:
            yield name, cls


CASES = dict(cases())
KNOWN = [(name, test) for name, cls in CASES.items() for test in differences(cls)]
for _name, _cls in CASES.items():
    _case = type(_name, (_cls,), {"__module__": __name__, **dict.fromkeys(differences(_cls))})
    globals()[_name] = pytest.mark.reference(_case) if _name.endswith("reference") else _case


@pytest.fixture(autouse=True)
def found_by_pickle(request, monkeypatch):
    """Pickle looks for the classes of the copy under the name of the module."""
    cls = CASES.get(request.cls.__name__ if request.cls else request.node.callspec.params["name"])
    module = next((each for each in (SETS, *MAPS.values()) if cls in vars(each).values()), SETS)
    monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.parametrize(("name", "test"), KNOWN)
def test_a_difference_is_still_one(name, test, monkeypatch):
    result, raised_by_finalisers = unittest.TestResult(), []
    monkeypatch.setattr(sys, "unraisablehook", raised_by_finalisers.append)
    CASES[name](test).run(result)
    assert not result.wasSuccessful() or raised_by_finalisers, "no longer a difference: remove it from DIFFERENCES"
