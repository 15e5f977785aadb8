"""Refuses a release that the project does not describe: `python tests/packaging/release.py v1.0.0`, with its tag.

The tag, `pyhmap/_release.py`, CITATION.cff and CHANGELOG.md must name one version, and the changelog its day.
"""

import re
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def differences(tag: str, root: Path = ROOT) -> list[str]:
    """What names another version than the tag."""
    version = tag.removeprefix("v")
    found = {
        "the tag": version if tag.startswith("v") else f"{tag}, without a v",
        "pyhmap/_release.py": runpy.run_path(str(root / "pyhmap" / "_release.py"))["VERSION"],
        "CITATION.cff": named(r"^version: (\S+)$", root / "CITATION.cff"),
        "the newest release in CHANGELOG.md": named(r"^## \[(\d[^\]]*)\] - \d{4}-\d\d-\d\d$", root / "CHANGELOG.md"),
    }
    return [f"{what}: {said}" for what, said in found.items() if said != version]


def named(pattern: str, path: Path) -> str:
    """What a file says first."""
    match = re.search(pattern, path.read_text(), flags=re.MULTILINE)
    return match[1] if match else "none"


if __name__ == "__main__":
    for difference in (different := differences(sys.argv[1])):
        print(f"{sys.argv[1]} would be released, but {difference}", file=sys.stderr)
    sys.exit(1 if different else 0)
