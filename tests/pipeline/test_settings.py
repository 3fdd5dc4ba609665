"""Every setting is listed once, with what is allowed, and each value of a run has an origin."""

from pathlib import Path

import pytest

from pipeline.config import Config, load_config
from pipeline.settings import HIDDEN, as_text, reference, settings, values

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_page_in_the_docs_is_current():
    assert PAGE.read_text() == reference(), "run: nsynth config reference > docs/configuration.md"


def test_every_key_can_be_set_to_its_own_default():
    keys = [setting for setting in settings() if not isinstance(setting.default, dict | list)]
    assert len(keys) > 100
    overrides = [f"{setting.key}={as_text(setting.default)}" for setting in keys]
    assert load_config(Path(__file__).parents[2] / "configs" / "tiny.yaml", overrides)


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("recipe.size", "`tiny` or `small` or `base`"),
        ("recipe.dropout", "number, ≥ 0, < 1"),
        ("metadata_server", "string or none"),
        ("corpus.soundfonts", "list of string"),
        ("data_gate.anomalies.limit", "number, ≥ 0"),
    ],
)
def test_what_is_allowed_is_named(key, kind):
    assert {setting.key: setting.kind for setting in settings()}[key] == kind


def test_a_value_comes_from_the_default_the_file_or_the_command_line():
    overrides = ("recipe.epochs=3", "retrain.hooks={}")
    file = {"recipe": {"size": "tiny", "epochs": 5}, "name": "mine"}
    config = Config.model_validate({"name": "mine", "recipe": {"size": "tiny", "epochs": 3}})
    origins = {key: (value, origin) for key, value, origin in values(config, file, overrides)}
    assert origins["recipe.epochs"] == (3, "--set")
    assert origins["recipe.size"] == ("tiny", "file")
    assert origins["name"] == ("mine", "file")
    assert origins["recipe.dropout"] == (0.3, "default")
    assert origins["retrain.hooks"] == ({}, "--set")


def test_the_password_of_an_address_is_left_out():
    assert as_text("postgresql://me:hidden@host/db") == '"postgresql://me:…@host/db"'


def test_what_lets_in_who_knows_it_is_not_shown():
    config = Config.model_validate({"retrain": {"hooks": {"failed": ["https://host/T0KEN"]}}})
    shown = {key: value for key, value, _ in values(config, {}, ())}
    assert "T0KEN" not in str(shown)
    assert shown["retrain.hooks"] == HIDDEN
    assert shown["kubeflow.secrets"] == {}
