"""`nsynth config`: the reference in the help, and what a run would use."""

import json

from click.testing import CliRunner

from pipeline.cli.main import cli
from pipeline.settings import settings


def call(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["config", *arguments], obj={"verbose": False}, standalone_mode=False)
    assert done.exception is None, done.exception
    return done.output


def test_help_names_every_setting():
    shown = call("--help")
    assert [setting.key for setting in settings() if setting.key not in shown] == []


def test_show_says_where_each_value_comes_from():
    told = json.loads(call("show", "--json", "--set", "recipe.epochs=3"))
    assert told["recipe.epochs"] == {"value": 3, "from": "--set"}
    assert told["name"] == {"value": "nsynth-demo", "from": "file"}
    assert told["gate.margin"]["from"] == "default"


def test_show_changed_leaves_out_the_defaults():
    told = json.loads(call("show", "--json", "--changed", "--set", "recipe.epochs=3"))
    assert "recipe.epochs" in told
    assert {row["from"] for row in told.values()} == {"file", "--set"}
