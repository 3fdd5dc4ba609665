"""One configuration: frozen, validated once, every error names the key, the value and what is allowed."""

from pathlib import Path

import pydantic
import pytest

import nsynth
from pipeline.config import Config, ConfigError, load_config, text_override

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


@pytest.fixture
def yaml_file(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_shipped_file_is_valid(path):
    assert load_config(path).name


def test_an_empty_file_means_all_defaults(yaml_file):
    assert load_config(yaml_file("")) == Config()


def test_it_cannot_be_changed():
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        Config().name = "other"


def test_overrides_are_applied_in_order(yaml_file):
    path = yaml_file("recipe: {epochs: 3}")
    config = load_config(path, ["recipe.epochs=4", "recipe.epochs=5", "ingest.seed=7"])
    assert (config.recipe.epochs, config.ingest.seed) == (5, 7)


def test_an_unknown_key_is_named_with_its_neighbour_and_what_is_allowed(yaml_file):
    with pytest.raises(ConfigError) as error:
        load_config(yaml_file("recipe: {epoch: 3}"))
    assert "recipe.epoch = 3: unknown key; did you mean epochs? (allowed: " in str(error.value)


def test_an_unknown_key_at_the_top_is_named_too(yaml_file):
    with pytest.raises(ConfigError, match=r"recipes = .*unknown key; did you mean recipe\?"):
        load_config(yaml_file("recipes: {}"))


def test_a_bad_value_is_named_with_what_is_allowed(yaml_file):
    with pytest.raises(
        ConfigError, match=r"spectrogram.n_fft = -1: input should be greater than or equal to 64"
    ):
        load_config(yaml_file("spectrogram: {n_fft: -1}"))


def test_all_faults_are_listed_at_once(yaml_file):
    with pytest.raises(ConfigError) as error:
        load_config(yaml_file("name: 'Not OK'\nengine: {runner: hamster}\nnonsense: 1"))
    assert [word in str(error.value) for word in ("name", "engine.runner", "nonsense")] == [True] * 3


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("recipe.epochs", "write key=value"),
        ("name.first=x", "name is a value"),
        ("recipe.epochs=[", "not a YAML value"),
    ],
)
def test_an_override_that_makes_no_sense_is_refused(yaml_file, override, message):
    with pytest.raises(ConfigError, match=message):
        load_config(yaml_file("name: nsynth"), [override])


@pytest.mark.parametrize("text", ["2024", "nsynth #2", "no", "a: b", "[v1]", "{x", '"in quotes" #1', "01:30"])
def test_a_path_is_the_text_that_the_command_line_has(yaml_file, text):
    config = load_config(yaml_file(""), [f"data={text}", text_override("push.destination", text)])
    assert (config.data, config.push.destination) == (text, text)


@pytest.mark.parametrize("text", ["null", "~", "", "'null'"])
def test_an_option_of_its_own_is_text_even_if_yaml_has_a_meaning_for_it(yaml_file, monkeypatch, text):
    monkeypatch.setenv("HOME", "/home/me")
    config = load_config(yaml_file(""), [text_override("data", text)])
    assert config.data == {"~": "/home/me"}.get(text, text)


def test_null_unsets_and_quotes_may_stand_around_text(yaml_file):
    assert load_config(yaml_file("data: x"), ["data=null"]).data is None
    assert load_config(yaml_file(""), ["data='null'"]).data == "null"


def test_a_value_is_blamed_on_the_place_that_it_comes_from(yaml_file):
    path = yaml_file("recipe: {size: huge}\nengine: {runner: flink}")
    overrides = ["recipe.epochs=x", "engine.flink.parallelism=2", "gate={min_acc: 1}"]
    with pytest.raises(ConfigError) as error:
        load_config(path, overrides)
    places, place = {}, ""
    for line in str(error.value).splitlines():
        if line.startswith("  "):
            places[line.split()[0].strip(":")] = place
        else:
            place = line.removesuffix(" cannot be used:")
    assert places["recipe.epochs"] == "--set recipe.epochs"
    assert places["gate.min_acc"] == "--set gate"
    assert places["recipe.size"] == str(path)


@pytest.mark.parametrize(
    "text",
    [
        "metadata_server: postgresql://me:GEHEIM@/",
        "metadata_sever: postgresql://me:GE@HEIM/GEHEIM@host/db",
        "retrain: {hooks: {pushed: 'https://example.org/GEHEIM'}}",
        'retrain: {hooks: {pushed: ["curl \'GEHEIM"]}}',
        "kubeflow: {password: GEHEIM}",
        "recipe: [GEHEIM]",
        "metadata_server: postgresql://me:GEHEIM@host:x: y",
    ],
)
def test_an_error_tells_no_password(yaml_file, text):
    with pytest.raises(nsynth.UserError) as error:
        load_config(yaml_file(text))
    assert "GEHEIM" not in str(error.value)
    key, _, value = text.partition(": ")
    with pytest.raises(nsynth.UserError) as error:
        load_config(yaml_file(""), [f"{key}={value}"])
    assert "GEHEIM" not in str(error.value)


def test_a_workspace_whose_name_is_a_pattern_is_refused(yaml_file):
    with pytest.raises(ConfigError, match=r"workspace = .*as a pattern"):
        load_config(yaml_file(""), ["workspace=runs[v1]"])


@pytest.mark.parametrize(("text", "message"), [("a: [", "not YAML"), ("- a", "must hold keys and values")])
def test_a_file_that_is_no_mapping_is_refused(yaml_file, text, message):
    with pytest.raises(ConfigError, match=message):
        load_config(yaml_file(text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read the configuration .*nowhere.yaml: No such file"):
        load_config(tmp_path / "nowhere.yaml")


def test_a_configuration_of_the_project_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_config("configs/tiny.yaml").name == "nsynth-tiny"


def test_a_file_of_the_current_folder_comes_before_the_project_s(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "tiny.yaml").write_text("name: mine")
    assert load_config("configs/tiny.yaml").name == "mine"
