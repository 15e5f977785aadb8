"""The files for where the project is hosted: they name what exists."""

import re
import tomllib
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def commands(workflow):
    """What the steps of a workflow run, with each value of the matrix in its place."""
    for job in yaml.safe_load(workflow.read_text())["jobs"].values():
        verbs = job.get("strategy", {}).get("matrix", {}).get("verb", [""])
        for step in job["steps"]:
            for verb in verbs:
                yield step.get("run", "").replace('"$VERB"', verb)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_runs_what_there_is(workflow):
    ran = list(filter(None, commands(workflow)))
    assert ran
    for command in ran:
        for target in re.findall(r"^make (\S+)", command):
            assert target in TARGETS
        for script in re.findall(r"(?:^|python )((?:\.ci|tests)/\S+)", command):
            assert (ROOT / script).is_file()


def test_the_citation_has_the_version_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (cited["title"], cited["version"], cited["license"]) == (project["name"], project["version"], "MIT")


def test_the_hooks_before_a_commit_are_the_linters_of_make_lint():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    linting = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)[1]
    for hook in hooks:
        assert " ".join(hook["entry"].split()[:2]).removesuffix(" --fix") in linting
