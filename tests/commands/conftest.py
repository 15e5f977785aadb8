"""Where and how the tests of the commands run them."""

import os

import pytest

from pyhmap.__main__ import main


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The commands run in a folder of their own, so that messages have short names."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capfd):
    """Run a command in this process: its exit status, and what it has written to stdout and stderr."""

    def called(*arguments):
        try:
            status = main(arguments)
        except SystemExit as error:  # argparse
            status = error.code
        return (status, *capfd.readouterr())

    return called
