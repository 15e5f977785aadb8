"""The version of this release, which files name as their writer. pyproject.toml has the same."""

VERSION = "0.1.0"
