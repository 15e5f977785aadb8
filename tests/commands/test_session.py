"""The session with all commands that the documents show."""

import re
from pathlib import Path


def test_the_session_in_the_docs(run):
    """What the commands print, but for the figures: they follow a random hash key."""
    lines = [f"item {i:06},{i * 0.25},{i % 500}" for i in range(100_000)]
    Path("prices.csv").write_text("\n".join(["sku,price,stock", *lines]))
    page = (Path(__file__).parents[2] / "docs" / "files.md").read_text()
    session = re.search(r"```console\n(.*?)```", page, flags=re.DOTALL)[1]
    steps = re.split(r"^\$ python -m pyhmap (.*)\n", session, flags=re.MULTILINE)[1:]
    assert len(steps) == 8
    for command, shown in zip(steps[::2], steps[1::2], strict=True):
        status, out, err = run(*command.split())
        assert (status, err) == (0, "")
        assert without_figures(out) == without_figures(shown)


def without_figures(text):
    text = re.sub(r"^(id +)[0-9a-f]{32}$", r"\1#", text, flags=re.MULTILINE)
    text = re.sub(r"(?<=pyhmap )[\d.]+(rc\d+|\.dev\d+)?", "#", text)
    return re.sub(r" +", " ", re.sub(r"[-\d,.]*\d", "#", text)).rstrip()
