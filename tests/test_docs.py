"""The pages name only what exists: files, make targets, commands, modules."""

import importlib.util
import re
import shlex
from pathlib import Path

import click
import pytest

from pipeline.cli.main import COMMANDS, cli

PROJECT = Path(__file__).parents[1]
PAGES = [*sorted(PROJECT.glob("*.md")), *sorted((PROJECT / "docs").glob("*.md"))]


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request) -> Path:
    return request.param


def test_links_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\((?!https?://)([^)#]*)#?([^)]*)\)", page.read_text()):
        linked = page.parent / target if target else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), f"{target}#{anchor}"


def anchors(page: Path) -> set[str]:
    """The names by which GitHub links to the page's headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:^|`)make ([a-z][a-z-]+)", page.read_text(), re.MULTILINE)
    assert set(named) <= targets


def test_commands_exist(page):
    named = re.findall(r"(?:^ *|`|\$ )nsynth ([a-z]+)(?![\w=])", page.read_text(), re.MULTILINE)
    assert set(named) <= set(COMMANDS)


def test_options_exist(page):
    for line in re.findall(r"^ *(?:\.venv/bin/)?(nsynth [a-z].*)$", page.read_text(), re.MULTILINE):
        _, *given = shlex.split(line.rstrip("\\"), comments=True)
        command: click.Command | None = cli
        known = {"-h", "--help"}
        for word in given:
            if isinstance(command, click.Group) and not word.startswith("-"):
                command = command.get_command(click.Context(command), word) or command
            if command:
                known |= {name for option in command.params for name in option.opts}
        named = {word.partition("=")[0] for word in given if word.startswith("--")}
        assert named <= known, line


def test_modules_exist(page):
    for module in re.findall(
        r"python -m ((?:components|benchmarks|kubeflow|trainer|pipeline)[\w.]*)", page.read_text()
    ):
        assert importlib.util.find_spec(module.rstrip(".")), module


def test_source_files_exist(page):
    rooms = "benchmarks|components|configs|corpus|kubeflow|pipeline|tests|tools|trainer|transform"
    for path in re.findall(rf"`((?:{rooms})/[\w./-]+)`", page.read_text()):
        assert (PROJECT / path).exists(), path
