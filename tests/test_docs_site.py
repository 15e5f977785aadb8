"""The site that `make docs` makes: it is built without a warning, has every public name, and fits a telephone."""

import fcntl
import html
import importlib
import inspect
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser_support import chromium

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"
MODULES = ["pyhmap", "pyhmap.debug", "pyhmap.introspect", "tophash_cache"]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. Processes that run tests at the same time share one."""
    pytest.importorskip("myst_nb")
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "site"
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            # As `make docs` does it. -P: the packages that are installed are described, not those of the checkout.
            options = ["-W", "--keep-going", "--quiet", "--no-color", "-c", "docs", "-d", f"{folder}.cache"]
            command = [sys.executable, "-P", "-m", "sphinx", *options, ".", str(folder)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
            said = done.stdout + done.stderr
            assert done.returncode == 0, said
    return folder


def public_names() -> Iterator[str]:
    """The names that the packages offer, and those of the classes' own members."""
    for module in map(importlib.import_module, MODULES):
        for name in module.__all__:
            yield f"{module.__name__}.{name}"
            item = getattr(module, name)
            for member in dir(item) if inspect.isclass(item) else ():
                owner = next((one for one in item.__mro__ if member in one.__dict__), type)
                if not member.startswith("_") and owner.__module__.startswith(("pyhmap", "tophash_cache")):
                    yield f"{module.__name__}.{name}.{member}"
    yield from ("pyhmap.dask.build", "pyhmap.dask.lookup")


def test_each_public_name_is_in_the_reference(site: Path) -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in sorted((site / "docs" / "api").glob("*.html")))
    # debug.Line.bytes has no address: every `bytes` in a signature would be a link to it.
    missing = [name for name in public_names() if f'id="{name}"' not in pages and name != "pyhmap.debug.Line.bytes"]
    assert not missing


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("maps:pyhmap.HMap.factorize", "factorize(keys: Many[K]) → npt.NDArray[np.int64]"),  # compiled
        ("maps:pyhmap.HMap.get", "get(key: K, default: T = None, /) → V | T"),  # compiled, and overloaded
        ("maps:pyhmap.HMap.pop", "pop(key: K, default: T = ..., /) → V | T"),
        ("maps:pyhmap.FrozenMap", "class pyhmap.FrozenMap"),  # cannot be called
        ("maps:pyhmap.FrozenMap.closed", "property closed: bool"),  # compiled
        ("ids:pyhmap.HIndex.value_dtype", "property value_dtype: np.dtype[np.int64]"),
        ("maps:pyhmap.HMap.fromkeys", "classmethod fromkeys(keys: Iterable[Any], value: Any = None, /) → Self"),
        ("ids:pyhmap.HIndex", "class pyhmap.HIndex(key: Any, labels: Any = None, *, seed: int | None = None)"),
        ("tophash_cache:tophash_cache.TopHashCache", "class tophash_cache.TopHashCache(**settings: Unpack[Options])"),
        ("expiring:pyhmap.ExpiringMap.pop", "pop(key: K, default: Any = NO_DEFAULT, /) → Any"),
    ],
)
def test_a_signature_is_the_one_of_the_source(site: Path, name: str, signature: str) -> None:
    page, _, item = name.partition(":")
    text = (site / "docs" / "api" / f"{page}.html").read_text(encoding="utf-8")
    found = re.search(rf'<dt class="sig[^>]*id="{re.escape(item)}">(.*?)</dt>', text, flags=re.DOTALL)
    assert found
    shown = html.unescape(re.sub("<[^>]*>", "", found[1])).split("[source]")[0].replace("¶", "")
    assert " ".join(shown.split()) == signature


def test_no_text_of_a_property_is_taken_for_a_type(site: Path) -> None:
    """Napoleon would take what stands before a colon."""
    for path in sorted((site / "docs" / "api").glob("*.html")):
        page = path.read_text(encoding="utf-8")
        assert ">Type<" not in page, path.name
        assert path.stem != "expiring" or "In how many parts the window is cut:" in page


def test_the_notebook_was_run(site: Path) -> None:
    page = (site / "docs" / "notebook.html").read_text(encoding="utf-8")
    for shown in ("array([2., 3., 4.])", "key 1000 at position 1 is not", "<svg", "of 32 old buckets evacuated"):
        assert shown in page
    assert "Traceback" not in page


def test_the_address_of_the_site_leads_to_the_start_page(site: Path) -> None:
    with chromium() as browser:
        page = browser.new_page()
        page.goto((site / "index.html").as_uri())
        page.wait_for_url("**/docs/index.html")
        assert page.title().startswith("pyhmap")


def test_no_page_is_wider_than_a_telephone(site: Path) -> None:
    """What is wide, such as a table, scrolls by itself."""
    first = site / "index.html"  # leads on
    pages = [page for page in sorted(site.rglob("*.html")) if page != first and "_modules" not in page.parts]
    assert pages
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 400, "height": 800})
        wide = {}
        for path in pages:
            page.goto(path.as_uri())
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > 400:
                wide[path.relative_to(site).as_posix()] = width
    assert wide == {}


def test_the_pictures_are_those_of_a_map() -> None:
    """What is committed is what the program draws. If the layout of a map has changed, it draws them again."""
    drawing = runpy.run_path(str(PICTURES / "draw.py"))["PICTURES"]
    assert {path.stem for path in PICTURES.glob("*.svg")} == set(drawing)
    for name, draw in drawing.items():
        assert draw() == (PICTURES / f"{name}.svg").read_text(encoding="utf-8"), "run `python docs/pictures/draw.py`"
