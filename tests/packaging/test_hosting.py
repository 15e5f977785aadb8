"""The files for where the project is hosted: they name what exists."""

import re
import runpy
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


def test_the_citation_names_the_release_from_its_version_on():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    version = runpy.run_path(str(ROOT / "pyhmap" / "_release.py"))["VERSION"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (cited["title"], cited["license"]) == (project["name"], "MIT")
    assert cited["version"] == version or version.endswith(".dev0")


def test_the_hooks_before_a_commit_are_the_linters_of_make_lint():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    linting = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)[1]
    for hook in hooks:
        assert " ".join(hook["entry"].split()[:2]).removesuffix(" --fix") in linting


def test_a_release_that_the_project_does_not_describe_is_refused(tmp_path):
    release = runpy.run_path(str(ROOT / "tests" / "packaging" / "release.py"))
    (tmp_path / "pyhmap").mkdir()
    (tmp_path / "pyhmap" / "_release.py").write_text('VERSION = "1.2.0"\n')
    (tmp_path / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 1.2.0\n")
    changes = "# Changelog\n\n## [1.2.0] - 2027-01-31\n\n## [1.1.0] - 2026-12-01\n"
    (tmp_path / "CHANGELOG.md").write_text(changes)
    assert release["differences"]("v1.2.0", tmp_path) == []
    assert release["differences"]("1.2.0", tmp_path) == ["the tag: 1.2.0, without a v"]
    (tmp_path / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 1.1.0\n")
    (tmp_path / "CHANGELOG.md").write_text(changes.replace("[1.2.0] - 2027-01-31", "[Unreleased]"))
    assert release["differences"]("v1.2.0", tmp_path) == [
        "CITATION.cff: 1.1.0",
        "the newest release in CHANGELOG.md: 1.1.0",
    ]


def test_only_the_job_that_publishes_may_prove_who_it_is():
    """And it runs for a tag only, after the checks, in an environment that can ask somebody."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "wheels.yml").read_text())["jobs"]
    trusted = {name for name, job in jobs.items() if "id-token" in job.get("permissions", {})}
    assert trusted == {"publish"}
    assert jobs["publish"]["environment"] == "release"
    assert "ref_type == 'tag'" in jobs["publish"]["if"]
    assert jobs["publish"]["needs"] == "check"
    assert set(jobs["check"]["needs"]) == {"sdist", "wheels"}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned(workflow):
    for job in yaml.safe_load(workflow.read_text())["jobs"].values():
        for step in job["steps"]:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step.get("uses", "a/b@" + 40 * "0"))


def test_the_tests_of_a_wheel_exist():
    for name in (ROOT / "tests" / "packaging" / "of_a_wheel.txt").read_text().split():
        assert (ROOT / name).is_file()
