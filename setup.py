"""The extension modules and their build variants; all other metadata is in pyproject.toml.

PYHMAP_BUILD chooses the variant:

    release   (default)  -O3, no checks, symbols kept so that py-spy --native can name the frames
    debug                bounds checks in Cython, C asserts in the kernels, check() after writes
    sanitize             bounds checks, C asserts, AddressSanitizer, UndefinedBehaviourSanitizer and libFuzzer's
                         counters, by clang (run through `make asan` and `make fuzz`)
    coverage             no optimisation, and gcov's counters (run through `make coverage`)

Each variant has a folder of its own below build/, and a source is compiled there only if it, or any .pxd, is newer
than the result. This holds for `pip install --editable` and for `build_ext --inplace`. The two
variants with checks share the C that Cython writes, in build/checked/: they must not be built at the same time.

Directives are set here and nowhere else: a decorator in a source file would win over these, and the
debug build could no longer turn the checks on.
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SANITIZERS = "-fsanitize=address,undefined,fuzzer-no-link"
# Functions and lines, which profilers and sanitizers name; variables, which -g adds, take longer to compile.
NAMES = "-g1"
CHECKED = ["-O1", NAMES, "-UNDEBUG"]
VARIANTS = {
    "release": ["-O3", NAMES, "-DNDEBUG"],
    "debug": [*CHECKED, "-DPYHMAP_DEBUG=1"],
    # Without check() after writes: the debug build has it, and a fuzzer calls it less often.
    "sanitize": [*CHECKED, "-fno-omit-frame-pointer", SANITIZERS],
    # Atomic counters: kernels run without the GIL.
    "coverage": ["-O0", NAMES, "-DNDEBUG", "--coverage", "-fprofile-update=atomic"],
}
LINKED = {"sanitize": [SANITIZERS], "coverage": ["--coverage"]}

# The same for Microsoft's compiler, which builds no other variant.
MICROSOFT = ["/O2", "/std:c11", "/DNDEBUG"]

variant = os.environ.get("PYHMAP_BUILD", "release")
if variant not in VARIANTS:
    raise SystemExit(f"PYHMAP_BUILD={variant!r}: choose one of {', '.join(VARIANTS)}")
checked = variant in ("debug", "sanitize")
if variant == "sanitize":
    os.environ.setdefault("CC", "clang")  # gcc has no counters for libFuzzer
build = f"build/{variant}"
translated = "build/checked" if checked else build  # C: the same for both, whose directives are the same
jobs = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

# Each .pyx is an extension; tests/test_structure.py says which module may import which.
PACKAGES = ("_hmap_bytes", "pyhmap", "tophash_cache")
SOURCES = sorted(path for package in PACKAGES for path in Path(package).rglob("*.pyx"))

# What Cython needs for memoryviews is more code than most modules are: all use one copy, a module that Cython writes.
SHARED = "_hmap_bytes._cyutility"


def extension(name, source):
    """Of one source, with the flags of the variant."""
    return Extension(
        name,
        [str(source)],
        extra_compile_args=[*VARIANTS[variant], "-std=c11", "-Wno-unused-function"],
        extra_link_args=LINKED.get(variant, []),
    )


extensions = [
    extension(SHARED, "_hmap_bytes/_cyutility.c"),
    *(extension(".".join(source.with_suffix("").parts), source) for source in SOURCES),
]

DIRECTIVES = {
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
    "freethreading_compatible": True,  # each method is a critical section of its object; see _engine/rwlock.pxd
    "embedsignature": True,
    "embedsignature.format": "clinic",
}


class Build(build_ext):
    """Cython runs here, not when this file is read: an sdist lists the .pyx, and does not wait for Cython."""

    def finalize_options(self):
        super().finalize_options()
        if self.editable_mode or self.inplace:  # pip would compile everything in a temporary folder, every time
            self.build_temp, self.build_lib = f"{build}/temp", f"{build}/lib"

    def run(self):
        # The flags and directives are in this file: if it has changed, everything has. So it is with a .pxd, since
        # Cython does not see every .pxd that a source cimports through others.
        written = [Path(translated, source).with_suffix(".c") for source in SOURCES]
        shared = [path for package in PACKAGES for path in Path(package).rglob("*.pxd")]
        changed = max(path.stat().st_mtime for path in (Path(__file__), *shared))
        self.force = self.force or any(path.exists() and path.stat().st_mtime < changed for path in written)
        in_c = cythonize(
            self.extensions,
            compiler_directives=DIRECTIVES,
            shared_utility_qualified_name=SHARED,
            build_dir=translated,
            nthreads=jobs,
            force=self.force,
        )
        for extension, with_c in zip(self.extensions, in_c, strict=True):
            extension.sources = with_c.sources
        super().run()

    def build_extensions(self):
        if self.compiler.compiler_type == "msvc":
            for extension in self.extensions:
                extension.extra_compile_args = MICROSOFT
        super().build_extensions()


if __name__ == "__main__":  # Cython's processes read this file again where they are not forked
    setup(
        ext_modules=extensions,
        cmdclass={"build_ext": Build},
        options={
            # A folder a variant: its object files must not pass for another's, and time stamps cannot tell.
            "build": {"build_base": build},
            "build_ext": {"parallel": jobs},
        },
    )
