"""The commands as a script or a person sees them: exit codes, JSON, tables. A stand-in takes the pipeline's place."""

import functools
import json
import os
import shlex
import subprocess
import sys

import pytest
from click.testing import CliRunner

import nsynth
from pipeline import exit_codes
from pipeline.cli import gc, retrain, schedule, status
from pipeline.history.ledger import Outcome
from pipeline.retrain import lock, round


@pytest.fixture
def call(config, stand_in, tmp_path, monkeypatch):
    """Calls a command on the workspace of the test; answers exit code and standard output."""
    monkeypatch.setattr(round, "Retraining", functools.partial(round.Retraining, start=stand_in.start))
    file = tmp_path / "config.yaml"
    retrain = config.retrain.model_dump(mode="json")
    file.write_text(json.dumps({"workspace": str(config.workspace), "retrain": retrain}))

    def call(command, *arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(
            command, ["--config", str(file), *arguments], standalone_mode=False, env={"COLUMNS": "120"}
        )
        if done.exception:
            raise done.exception
        call.complaint = done.stderr
        return done.return_value, done.stdout

    return call


@pytest.mark.parametrize(
    ("ending", "code"),
    [("pushed", 0), ("kept", 3), ("refused", 5), ("failed", 1), ("timed out", 7), ("interrupted", 130)],
)
def test_each_outcome_has_its_exit_code_and_its_words(call, stand_in, deliver, ending, code):
    deliver(1)
    stand_in.will({"ending": ending, "words": "the reason", "refused": 1 if ending == "refused" else 0})
    answered, printed = call(retrain.retrain)
    assert answered == code
    assert f"{ending}. the reason" in printed


@pytest.mark.parametrize(
    ("ending", "code"),
    [("pushed", 0), ("kept", 0), ("refused", 0), ("failed", 1), ("timed out", 7), ("interrupted", 130)],
)
def test_what_is_as_it_should_be_can_be_zero_for_those_to_whom_all_else_is_a_failure(
    call, stand_in, deliver, ending, code
):
    deliver(1)
    stand_in.will({"ending": ending, "words": "the reason", "refused": 1 if ending == "refused" else 0})
    answered, printed = call(retrain.retrain, "--exit-zero")
    assert answered == code
    assert f"{ending}. the reason" in printed


def test_a_second_round_on_the_same_data_says_so(call, stand_in, deliver):
    deliver(1)
    stand_in.will({"ending": "kept", "words": "not better"})
    call(retrain.retrain)
    code, printed = call(retrain.retrain)
    assert code == exit_codes.NO_NEW_DATA
    assert "no new span: 1 is the newest" in printed


def test_every_outcome_has_a_code_of_its_own_but_a_crash_which_nobody_hears():
    codes = [each.exit_code for each in Outcome if each is not Outcome.CRASHED]
    assert len(set(codes)) == len(codes)
    assert exit_codes.LOCKED not in codes


def test_two_at_once_one_runs_and_the_other_says_who(call, config, deliver):
    deliver(1)
    with (
        lock.hold(round.Retraining(config).lock_file, "nsynth schedule"),
        pytest.raises(lock.LockedError, match=f"nsynth schedule, process {os.getpid()} on") as error,
    ):
        call(retrain.retrain)
    assert error.value.exit_code == exit_codes.LOCKED


def test_json_is_the_line_of_the_ledger_and_nothing_else(call, config, stand_in, deliver):
    deliver(1)
    stand_in.will({"ending": "kept", "words": "not better"})
    _, printed = call(retrain.retrain, "--json")
    [line] = round.Retraining(config).ledger.rounds()
    assert json.loads(printed) == line.model_dump(mode="json")


def test_status_tells_rounds_champion_next_round_and_disk(call, stand_in, deliver):
    deliver(1)
    stand_in.will({"ending": "refused", "words": "one\nfamily", "refused": 1})
    call(retrain.retrain)
    deliver(2)
    code, printed = call(status.status, "--json")
    told = json.loads(printed)
    assert code == 0
    assert [line["outcome"] for line in told["rounds"]] == ["refused"]
    assert told["waiting"] == [2]
    assert (told["running"], told["champion"]) == (None, None)
    assert told["next_round"].endswith("03:00:00+00:00")
    assert told["disk"]["free"] > 0
    _, shown = call(status.status)
    assert "champion   none yet" in shown
    assert "refused" in shown
    assert "one family" in shown, "a reason of several lines is shown on one"


def test_status_tells_what_keeps_the_next_round_from_its_spans(call, deliver, tmp_path):
    deliver(1)
    (tmp_path / "spans" / "span-5").mkdir()
    code, printed = call(status.status, "--json")
    assert code == 0
    assert "call it span-000005" in json.loads(printed)["trouble"]
    assert "call it span-000005" in call(status.status)[1].replace("\n", "")


def test_a_round_names_what_it_left_alone(call, deliver, stand_in, tmp_path):
    deliver(1)
    (tmp_path / "spans" / "span-000002").mkdir()
    stand_in.will({"ending": "kept", "words": "not better"})
    assert "waiting: span-000002: no files in it yet" in call(retrain.retrain)[1]
    assert call(retrain.retrain)[1].count("span-000002: no files in it yet") == 1, "its own words name it"


def test_status_tells_what_each_span_waits_for(call, deliver, tmp_path):
    deliver(1)
    (tmp_path / "spans" / "span-000002").mkdir()
    (tmp_path / "spans" / "span-000003").symlink_to("nowhere")
    told = json.loads(call(status.status, "--set", "retrain.settle_s=60", "--json")[1])["not_yet"]
    assert [each["name"] for each in told] == ["span-000001", "span-000002", "span-000003"]
    assert [bool(each["until"]) for each in told] == [True, False, False]
    shown = call(status.status, "--set", "retrain.settle_s=60")[1]
    assert "not yet    span-000001: changed recently" in shown
    assert "not yet    span-000003: a link to nowhere" in shown


@pytest.mark.slow
def test_status_answers_without_the_heavy_libraries(tmp_path):
    code = (
        "import sys; sys.argv = ['nsynth', 'status', '--set', 'workspace=' + sys.argv[1]]\n"
        "from pipeline.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as leave: assert not leave.code, leave.code\n"
        "slow = [name for name in ('tensorflow', 'tfx', 'apache_beam', 'ml_metadata') if name in sys.modules]\n"
        "assert not slow, slow"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_scheduler_refuses_at_once_what_would_fail_every_night(call):
    with pytest.raises(nsynth.UserError, match="no such folder"):
        call(schedule.schedule)


@pytest.mark.parametrize("command", [retrain.retrain, schedule.schedule])
@pytest.mark.parametrize("trouble", ["no workspace", "damaged ledger", "no spans"])
def test_what_keeps_a_round_from_beginning_is_told_by_hook(call, config, tmp_path, deliver, command, trouble):
    told = tmp_path / "told"
    if trouble != "no spans":
        deliver(1)
    if trouble == "no workspace":
        config.workspace.write_text("the disk is not mounted here")
    elif trouble == "damaged ledger":
        ledger = round.Retraining(config).ledger.file
        ledger.parent.mkdir(parents=True)
        ledger.write_text("scribble\n")
    hook = shlex.join([sys.executable, "-c", f"open({str(told)!r}, 'a').write(input())"])
    arguments = ("--set", f"retrain.hooks={json.dumps({'failed': [hook]})}")
    if trouble == "no spans" and command is retrain.retrain:
        assert call(command, *arguments)[0] == 1
    else:
        with pytest.raises(nsynth.UserError):
            call(command, *arguments)
    assert told.read_text().count('"outcome":"failed"') == 1


def test_an_address_of_the_watcher_that_is_none_is_refused_without_being_shown(call):
    with pytest.raises(nsynth.UserError, match=r"retrain\.watcher\.fail.*https://host/path") as told:
        call(status.status, "--set", "retrain.watcher.fail=ftp://watch.example/T0K3N")
    assert "T0K3N" not in str(told.value)


def test_gc_of_a_workspace_without_runs_has_nothing_to_do(call):
    code, printed = call(gc.gc, "--yes")
    assert code == 0
    assert "0 bytes removed" in printed
