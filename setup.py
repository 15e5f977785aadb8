"""The extension modules and their build variants; all other metadata is in pyproject.toml.

PYHMAP_BUILD chooses the variant:

    release   (default)  -O3, no checks, symbols kept so that py-spy --native can name the frames
    debug                bounds checks in Cython, C asserts in the kernels, check() after writes
    sanitize             debug, plus AddressSanitizer and UndefinedBehaviourSanitizer (run through `make asan`)

Directives are set here and nowhere else: a decorator in a source file would win over these, and the
debug build could no longer turn the checks on.
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

SANITIZERS = "-fsanitize=address,undefined"
CHECKED = ["-O1", "-g", "-UNDEBUG", "-DPYHMAP_DEBUG=1"]
VARIANTS = {
    # -g costs disk, not time; without it a profiler sees addresses instead of kernels.
    "release": ["-O3", "-g", "-DNDEBUG"],
    "debug": CHECKED,
    "sanitize": [*CHECKED, "-fno-omit-frame-pointer", SANITIZERS],
}

variant = os.environ.get("PYHMAP_BUILD", "release")
if variant not in VARIANTS:
    raise SystemExit(f"PYHMAP_BUILD={variant!r}: choose one of {', '.join(VARIANTS)}")
checked = variant != "release"

# Each .pyx is an extension; tests/test_structure.py says which module may import which.
PACKAGES = ("_hmap_bytes", "pyhmap", "tophash_cache")
SOURCES = sorted(path for package in PACKAGES for path in Path(package).rglob("*.pyx"))

extensions = [
    Extension(
        ".".join(source.with_suffix("").parts),
        [str(source)],
        extra_compile_args=[*VARIANTS[variant], "-std=c11", "-Wno-unused-function"],
        extra_link_args=[SANITIZERS] if variant == "sanitize" else [],
    )
    for source in SOURCES
]

setup(
    ext_modules=cythonize(
        extensions,
        compiler_directives={
            "language_level": 3,
            "boundscheck": checked,
            "wraparound": False,
            "initializedcheck": checked,
            "nonecheck": checked,
            "cdivision": True,
            # Plain C functions: they are called faster than with binding, and cProfile sees them.
            # inspect.signature reads the signature that is embedded.
            "binding": False,
            "auto_pickle": False,  # MapMethods.__reduce__ does it
            "embedsignature": True,
            "embedsignature.format": "clinic",
        },
        build_dir=f"build/{variant}",
    ),
    # A folder a variant: its C and object files must not pass for another's, and time stamps cannot tell.
    options={"build": {"build_base": f"build/{variant}"}},
)
