"""`nsynth kubeflow show`: the verdict of a run, asked of ML Metadata as Kubeflow's page asks."""

import json

import pytest
from fake_api import FakeApi
from fake_metadata import FakeMetadata, frame
from test_cli import api, call

import nsynth
from kubeflow import metadata
from kubeflow.connection import Server

__all__ = ["api"]  # a fixture

FIGURES = {
    "accuracy": 0.8125, "macro_recall": 0.75, "log_loss": 0.62, "margin": 0.012, "notes_used": 305_979.0,
    "pushed_version": 7.0,
}  # fmt: skip
PAGE = {"verdict": "pushed", "why": "accuracy 81.3 %, at least 78.0 % \u2265 10.0 %"}


@pytest.fixture
def store(api: FakeApi) -> FakeMetadata:
    """The metadata store behind the page; another run and other steps are in it too."""
    call("submit", "--host", api.url, "--name", "try")
    api.run_states = ["SUCCEEDED"]
    made = FakeMetadata()
    api.metadata = made.answer
    made.add_step("r0", "Report", {"page": {"verdict": "kept", "why": "no"}, "figures": {"accuracy": 0.1}})
    made.add_step("r1", "Trainer", {"model": {"accuracy": 0.2, "list": ["a"]}})
    return made


def show(api: FakeApi, *args: str) -> dict:
    result = call("show", "r1", "--host", api.url, "--json", *args)
    assert result.exit_code == 0, result.exception
    return json.loads(result.output)


def test_the_verdict_and_what_was_pushed_are_shown(api: FakeApi, store: FakeMetadata) -> None:
    matrix = {"confusionMatrix": {"rows": [{"row": [1, 2]}]}}
    store.add_step("r1", "Report", {"page": PAGE, "figures": FIGURES, "confusion": matrix})
    told = show(api)
    assert (told["verdict"], told["why"], told["pushed_version"]) == ("pushed", PAGE["why"], 7)
    assert told["figures"] == {name: value for name, value in FIGURES.items() if name != "pushed_version"}
    assert told["verdict_unknown"] == ""
    shown = call("show", "r1", "--host", api.url).output
    figures = "accuracy 81.2%, log loss 0.62, macro recall 75.0%, margin +1.2 points, notes used 305,979"
    for expected in ("pushed", PAGE["why"], figures, "version"):
        assert expected in shown


def test_values_come_back_as_they_were_recorded(api: FakeApi, store: FakeMetadata) -> None:
    store.add_step("r1", "Report", {"page": PAGE, "confusion": {"confusionMatrix": {"rows": [1.0, "a"]}}})
    found = metadata.recorded(Server(api.url), "r1")
    assert found["page"] == {**PAGE, "display_name": "page"}
    assert found["confusion"]["confusionMatrix"] == {"struct": {"rows": [1.0, "a"]}}


def test_a_report_that_was_tried_twice_counts_by_what_it_recorded(api: FakeApi, store: FakeMetadata) -> None:
    store.add_step("r1", "Report", {})
    store.add_step("r1", "Report", {"page": PAGE})
    assert show(api)["verdict"] == "pushed"


@pytest.mark.parametrize("run_is_known", [True, False])
def test_a_run_whose_report_has_not_ended(api: FakeApi, store: FakeMetadata, run_is_known: bool) -> None:
    if not run_is_known:
        api.metadata = FakeMetadata().answer
    told = show(api)
    assert (told["verdict"], told["pushed_version"], told["figures"]) == (None, None, {})
    assert told["verdict_unknown"] == "the step Report has recorded nothing"


def test_of_a_run_that_has_not_ended_nobody_is_asked(api: FakeApi, store: FakeMetadata) -> None:
    store.add_step("r1", "Report", {"page": PAGE})
    api.run_states, api.metadata = ["RUNNING"], None
    assert show(api)["verdict_unknown"] == "the run has not ended"


def test_the_bare_api_server_shows_all_else_and_says_so_in_a_line(api: FakeApi, store: FakeMetadata) -> None:
    api.metadata = None
    told = show(api)
    assert "forward the port of ml-pipeline-ui, not of ml-pipeline" in told["verdict_unknown"]
    assert (told["state"], told["name"]) == ("SUCCEEDED", "try")
    [line] = [
        line for line in call("show", "r1", "--host", api.url).output.splitlines() if "no verdict" in line
    ]
    assert "ml-pipeline-ui" in line


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"<!doctype html>", "cut off"),
        (b"", "no message"),
        (frame(0, b"\xff\xff"), "does not answer as ML Metadata"),
        (frame(0, b"")[:3], "incomplete frame"),
        (
            frame(0x80, b"grpc-status:14\r\ngrpc-message:no%20healthy%20upstream\r\n"),
            "14: no healthy upstream",
        ),
    ],
)
def test_an_answer_that_is_none_is_told_in_a_line(
    api: FakeApi, store: FakeMetadata, answer: bytes, words: str
) -> None:
    api.metadata = lambda method, body: answer
    unknown = show(api)["verdict_unknown"]
    assert words in unknown
    assert "\n" not in unknown


def test_a_refusal_is_told_in_a_line(api: FakeApi, store: FakeMetadata) -> None:
    api.token = "secret"
    with pytest.raises(nsynth.UserError, match="answered 401"):
        metadata.recorded(Server(api.url), "r1")
    assert metadata.recorded(Server(api.url, token="secret"), "r0")["figures"]["accuracy"] == 0.1


def test_metadata_is_asked_at_the_root_of_the_host_whatever_the_path_of_the_api(
    api: FakeApi, store: FakeMetadata
) -> None:
    assert metadata.recorded(Server(f"{api.url}/pipeline"), "r0")["page"]["verdict"] == "kept"
