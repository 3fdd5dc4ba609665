"""Which spans a round takes: complete ones, each delivery once, never refused ones."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import nsynth
from pipeline.history.ledger import Span
from pipeline.retrain.spans import choose, find_spans


def deliver(folder: Path, name: str, content: bytes = b"notes", age_s: float = 3600.0) -> Path:
    file = folder / name / "nsynth-train.tfrecord"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    os.utime(file, (time.time() - age_s,) * 2)
    return file


def spans(*numbers: int) -> tuple[Span, ...]:
    return tuple(Span(number=number, fingerprint="f") for number in numbers)


def test_spans_come_in_the_order_of_their_numbers(tmp_path):
    for name in ("span-000010", "span-000009", "span-000002", "notes"):
        deliver(tmp_path, name)
    assert [span.number for span in find_spans(tmp_path)] == [2, 9, 10]


@pytest.fixture
def later(monkeypatch) -> Callable[[float], None]:
    """Puts the clock forward: when a file came is nothing that a test can set."""

    def later(seconds: float) -> None:
        now = time.time() + seconds
        monkeypatch.setattr("pipeline.retrain.spans.time.time", lambda: now)

    return later


def test_a_span_still_being_copied_is_left_for_later(tmp_path, later):
    deliver(tmp_path, "span-000001")
    deliver(tmp_path, "span-000002", age_s=-99)
    (tmp_path / "span-000003").mkdir()
    later(100)
    assert [span.number for span in find_spans(tmp_path, settle_s=60)] == [1]


def test_a_copy_that_keeps_its_date_is_as_young_as_its_arrival(tmp_path, later):
    deliver(tmp_path, "span-000001", age_s=1e6)  # as rsync -a, cp -p and tar do
    assert find_spans(tmp_path, settle_s=60) == []
    later(61)
    assert len(find_spans(tmp_path, settle_s=60)) == 1


def test_a_folder_that_something_has_left_is_not_at_rest(tmp_path, later):
    folder = deliver(tmp_path, "span-000001").parent
    os.utime(folder, (time.time() + 90,) * 2)  # as if a file had gone then
    later(100)
    assert find_spans(tmp_path, settle_s=60) == []


def test_a_file_that_vanishes_while_it_is_looked_at_means_not_yet(tmp_path, monkeypatch):
    gone = deliver(tmp_path, "span-000001").with_name("nsynth-train.tfrecord.part")
    deliver(tmp_path, "span-000002")
    rglob = Path.rglob

    def listed(self: Path, pattern: str) -> list[Path]:
        return [*rglob(self, pattern), *([gone] if self == gone.parent else [])]

    monkeypatch.setattr(Path, "rglob", listed)
    assert [span.number for span in find_spans(tmp_path)] == [2]


def test_a_link_to_nowhere_holds_nothing_up(tmp_path):
    deliver(tmp_path, "span-000001").with_name("latest").symlink_to(tmp_path / "nowhere")
    assert len(find_spans(tmp_path)) == 1


def test_another_delivery_under_the_same_number_is_another_span(tmp_path):
    deliver(tmp_path, "span-000001", b"broken")
    before = find_spans(tmp_path)
    deliver(tmp_path, "span-000001", b"mended", age_s=100)
    assert find_spans(tmp_path) != before


def test_a_missing_folder_and_a_wrong_name_are_told(tmp_path):
    with pytest.raises(nsynth.UserError, match=r"retrain\.spans"):
        find_spans(tmp_path / "nowhere")
    deliver(tmp_path, "span-07")
    with pytest.raises(nsynth.UserError, match="call it span-000007"):
        find_spans(tmp_path)


def test_the_window_holds_the_newest_usable_spans():
    work = choose(spans(1, 2, 3, 4, 5), settled=spans(1, 2, 3), refused=spans(4), window=3)
    assert work.window == spans(2, 3, 5)
    assert work.new == spans(5)
    assert work.newest == spans(5)[0]


def test_nothing_is_new_once_all_is_settled():
    assert not choose(spans(1, 2), settled=spans(1, 2), refused=(), window=10).new


def test_a_refused_span_comes_back_once_it_is_delivered_anew():
    mended = Span(number=2, fingerprint="mended")
    work = choose((*spans(1), mended), settled=spans(1), refused=spans(2), window=10)
    assert work.new == (mended,)
