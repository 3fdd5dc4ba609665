"""Which spans a round takes: complete ones, each delivery once, never refused ones."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import nsynth
from pipeline.history.ledger import Span
from pipeline.retrain.spans import Arrivals, choose, find_spans, nothing_new


def deliver(folder: Path, name: str, content: bytes = b"notes", age_s: float = 3600.0) -> Path:
    file = folder / name / "nsynth-train.tfrecord"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    os.utime(file, (time.time() - age_s,) * 2)
    return file


def spans(*numbers: int) -> tuple[Span, ...]:
    return tuple(Span(number=number, fingerprint="f") for number in numbers)


def found(folder: Path, settle_s: float = 0.0) -> list[int]:
    return [span.number for span in find_spans(folder, settle_s).spans]


def told(folder: Path, settle_s: float = 0.0) -> str:
    """What one span waits for."""
    [waiting] = find_spans(folder, settle_s).waiting
    return str(waiting)


def test_spans_come_in_the_order_of_their_numbers(tmp_path):
    for name in ("span-000010", "span-000009", "span-000002", "span-000000", "notes"):
        deliver(tmp_path, name)
    assert found(tmp_path) == [0, 2, 9, 10]
    assert find_spans(tmp_path).others == ("notes",)


@pytest.fixture
def later(monkeypatch) -> Callable[[float], None]:
    """Puts the clock forward: when a file came is nothing that a test can set."""

    def later(seconds: float) -> None:
        now = time.time() + seconds
        monkeypatch.setattr("pipeline.retrain.spans.time.time", lambda: now)

    return later


def test_a_span_still_being_copied_waits_and_says_until_when(tmp_path, later):
    for number in (1, 2, 3):
        deliver(tmp_path, f"span-{number:06d}")
    arrivals = find_spans(tmp_path, settle_s=60)
    assert arrivals.spans == ()
    assert [waiting.name for waiting in arrivals.waiting] == ["span-000001", "span-000002", "span-000003"]
    for waiting in arrivals.waiting:
        assert "changed recently: it must not change for 60 s" in waiting.why
        assert 58 < waiting.until.timestamp() - time.time() < 62
    later(100)
    assert found(tmp_path, settle_s=60) == [1, 2, 3]


@pytest.mark.parametrize("age_s", [1e6, -1e6])
def test_what_counts_is_when_a_file_arrived_and_not_its_date(tmp_path, later, age_s):
    deliver(tmp_path, "span-000001", age_s=age_s)  # as rsync -a, cp -p and tar do
    assert found(tmp_path, settle_s=60) == []
    later(61)
    assert found(tmp_path, settle_s=60) == [1]


def test_a_folder_that_something_has_left_is_not_at_rest(tmp_path, monkeypatch):
    gone = deliver(tmp_path, "span-000001").with_name("nsynth-train.tfrecord.part")
    gone.touch()
    files_at_rest = time.time() + 60
    time.sleep(0.05)  # some ticks of the file system's clock
    gone.unlink()
    monkeypatch.setattr("pipeline.retrain.spans.time.time", lambda: files_at_rest)
    assert found(tmp_path, settle_s=60) == []
    monkeypatch.setattr("pipeline.retrain.spans.time.time", lambda: files_at_rest + 60)
    assert found(tmp_path, settle_s=60) == [1]


def test_a_clock_that_was_wrong_when_the_span_came_is_told(tmp_path, later):
    deliver(tmp_path, "span-000001")
    later(-86_400)
    assert "later than this machine's clock" in told(tmp_path, settle_s=60)


def test_a_file_that_vanishes_while_it_is_looked_at_means_not_yet(tmp_path, monkeypatch):
    gone = deliver(tmp_path, "span-000001").with_name("nsynth-train.tfrecord.part")
    deliver(tmp_path, "span-000002")
    rglob = Path.rglob

    def listed(self: Path, pattern: str) -> list[Path]:
        return [*rglob(self, pattern), *([gone] if self == gone.parent else [])]

    monkeypatch.setattr(Path, "rglob", listed)
    assert found(tmp_path) == [2]
    assert told(tmp_path).startswith("span-000001: it changes right now")


def test_a_link_to_nowhere_holds_nothing_up(tmp_path):
    deliver(tmp_path, "span-000001").with_name("latest").symlink_to(tmp_path / "nowhere")
    assert found(tmp_path) == [1]


def test_a_span_may_be_a_link_to_a_folder(tmp_path):
    deliver(tmp_path, "elsewhere")
    (tmp_path / "span-000001").symlink_to("elsewhere")
    assert found(tmp_path) == [1]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "no files in it yet"),
        (lambda path: (path / "empty").mkdir(parents=True), "no files in it yet"),
        (lambda path: deliver(path.parent, f"{path.name}/.hidden"), "no files in it yet"),
        (lambda path: path.symlink_to("nowhere"), "a link to nowhere, which does not exist"),
        (lambda path: path.symlink_to(path.name), "link"),
        (lambda path: path.write_text("a file"), "not a folder"),
    ],
)
def test_a_span_that_cannot_be_taken_is_named_and_the_others_go_on(tmp_path, make, words):
    deliver(tmp_path, "span-000001")
    make(tmp_path / "span-000002")
    assert found(tmp_path) == [1]
    assert told(tmp_path).startswith("span-000002: ")
    assert words in told(tmp_path)


@pytest.mark.parametrize(
    ("name", "words", "misnamed"),
    [
        ("span-07", "call it span-000007", True),
        ("Span_5", "call it span-000005", True),
        ("SPAN 5", "call it span-000005", True),
        ("span5", "call it span-000005", True),
        ("span-\u0660\u0660\u0660\u0660\u0660\u0664", "call it span-000004", True),
        ("span-20250601", "six digits, so count the spans", True),
        ("span-2025-06-01", "not the name of a span", False),
        ("span-000005.part", "not the name of a span", False),
        ("spans", "not the name of a span", False),
    ],
)
def test_a_name_that_is_none_of_a_span_is_told_and_the_others_go_on(tmp_path, name, words, misnamed):
    deliver(tmp_path, "span-000001")
    deliver(tmp_path, name)
    assert found(tmp_path) == [1]
    assert words in told(tmp_path)
    assert find_spans(tmp_path).waiting[0].misnamed == misnamed


def test_a_hidden_file_makes_no_new_span(tmp_path):
    notes = deliver(tmp_path, "span-000001")
    before = find_spans(tmp_path)
    notes.with_name(".DS_Store").write_text("a file manager was here")
    assert find_spans(tmp_path) == before


def test_a_file_name_of_any_bytes_is_no_obstacle(tmp_path):
    notes = deliver(tmp_path, "span-000001")
    os.rename(notes, os.fsencode(notes.parent) + b"/\xff.tfrecord")
    assert found(tmp_path) == [1]


def test_another_delivery_under_the_same_number_is_another_span(tmp_path):
    deliver(tmp_path, "span-000001", b"broken")
    before = find_spans(tmp_path)
    deliver(tmp_path, "span-000001", b"mended", age_s=100)
    assert find_spans(tmp_path) != before


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(nsynth.UserError, match=r"retrain\.spans"):
        find_spans(tmp_path / "nowhere")


def test_the_window_holds_the_newest_usable_spans():
    work = choose(Arrivals(spans(1, 2, 3, 4, 5)), settled=spans(1, 2, 3), refused=spans(4), window=3)
    assert work.window == spans(2, 3, 5)
    assert work.new == spans(5)
    assert work.newest == spans(5)[0]


def test_nothing_is_new_once_all_is_settled():
    assert not choose(Arrivals(spans(1, 2)), settled=spans(1, 2), refused=(), window=10).new


def test_a_refused_span_comes_back_once_it_is_delivered_anew():
    mended = Span(number=2, fingerprint="mended")
    work = choose(Arrivals((*spans(1), mended)), settled=spans(1), refused=spans(2), window=10)
    assert work.new == (mended,)


def test_what_is_refused_or_older_than_the_window_is_named():
    work = choose(Arrivals(spans(1, 2, 3, 4, 5)), settled=spans(1), refused=spans(4), window=2)
    assert work.window == spans(3, 5)
    assert [(waiting.name, waiting.why.split(":")[0]) for waiting in work.waiting] == [
        ("span-000002", "older than the window"),
        ("span-000004", "its data was refused"),
    ]


def test_nothing_new_says_what_is_there_instead():
    folder = Path("/data")
    empty = choose(Arrivals(()), (), (), window=3)
    assert nothing_new(empty, folder) == "no span has arrived yet in /data"
    others = choose(Arrivals((), others=("2025-06-01",)), (), (), window=3)
    assert "which holds 2025-06-01: spans are called span-000001" in nothing_new(others, folder)
    refused = choose(Arrivals(spans(1)), (), spans(1), window=3)
    assert nothing_new(refused, folder).startswith(
        "no span can be used yet; span-000001: its data was refused"
    )


def test_folders_may_be_called_otherwise_but_no_two_the_same_span(tmp_path) -> None:
    for name in ("span-9", "span-0012", "span-012", "span-x"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes").write_text("x")
    found = find_spans(tmp_path, names=re.compile("span-([0-9]+)"))
    assert [span.number for span in found.spans] == [9, 12]
    assert [(waiting.name, waiting.misnamed) for waiting in found.waiting] == [
        ("span-012", True),
        ("span-x", False),
    ]
    assert "another folder is already span 12" in found.waiting[0].why
