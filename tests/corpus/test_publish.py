import shutil
import threading

import pytest

import nsynth
from corpus.publish import published, sole_writer


def _make(out, text):
    with sole_writer(out), published(out) as folder:
        (folder / "file").write_text(text)


def _visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_the_folder_appears_whole_and_replaces_the_former_one(tmp_path):
    out = tmp_path / "deep" / "out"
    _make(out, "one")
    _make(out, "two")
    assert (out / "file").read_text() == "two"
    assert _visible(out.parent) == ["out"]


def test_nothing_is_visible_before_the_end(tmp_path):
    out = tmp_path / "out"
    with sole_writer(out), published(out) as folder:
        (folder / "file").write_text("half")
        assert not out.exists()
    assert out.exists()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_leaves_the_former_folder_and_nothing_else(tmp_path, error):
    out = tmp_path / "out"
    _make(out, "one")
    with pytest.raises(error), sole_writer(out), published(out) as folder:  # noqa: PT012
        (folder / "file").write_text("half")
        raise error
    assert (out / "file").read_text() == "one"
    assert _visible(tmp_path) == ["out"]


def test_what_a_killed_process_left_is_swept(tmp_path):
    out = tmp_path / "out"
    with published(out) as folder:  # the other process, just before it is killed
        (folder / "file").write_text("half")
        shutil.copytree(folder, folder.with_name(f"{folder.name}0"))
    shutil.rmtree(out)
    with sole_writer(out):
        assert _visible(tmp_path) == []


def test_a_process_killed_between_the_two_renames_loses_nothing(tmp_path):
    out = tmp_path / "out"
    _make(out, "one")
    out.rename(tmp_path / ".out.old")
    with sole_writer(out):
        assert (out / "file").read_text() == "one"


def test_a_second_writer_waits_for_the_first(tmp_path):
    out = tmp_path / "out"
    second = threading.Thread(target=_make, args=(out, "second"))
    with sole_writer(out), published(out) as folder:
        second.start()
        second.join(timeout=0.2)
        assert second.is_alive()
        (folder / "file").write_text("first")
    second.join(timeout=60)
    assert (out / "file").read_text() == "second"


def test_a_place_that_cannot_be_written_to_is_a_user_error(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(nsynth.UserError, match="Cannot write the corpus to"),
        sole_writer(tmp_path / "file" / "out"),
    ):
        pass
