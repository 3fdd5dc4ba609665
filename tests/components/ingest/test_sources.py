"""Data folders as people have them: which files count, for which split, in which form."""

import os
from pathlib import Path

import pytest

import nsynth
from components.ingest.sources import Form, Source, find, form_of, split_of


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("nsynth-train.tfrecord", Form.TFRECORD),
        ("nsynth-train.tfrecords", Form.TFRECORD),
        ("nsynth-train.tfrecord-00003-of-00010", Form.TFRECORD),
        ("nsynth-train.tfrecord.gz", Form.TFRECORD_GZIP),
        ("nsynth-train.tfrecord-00003-of-00010.gz", Form.TFRECORD_GZIP),
        ("nsynth-train.jsonwav.tar.gz", Form.JSONWAV_TAR),
        ("nsynth-train/examples.json", Form.JSONWAV),
        ("train-00000-of-00008.parquet", Form.PARQUET),
        ("nsynth-train-00000-of-00008.arrow", Form.ARROW),
        ("README.md", None),
        ("notes.csv", None),
        ("nsynth-train.tfrecord.part", None),
    ],
)
def test_a_name_tells_the_form(name: str, form: Form | None) -> None:
    assert form_of(name) == form


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("/data/nsynth-valid.tfrecord", "valid"),
        ("/data/nsynth-test/examples.json", "test"),
        ("/data/test/nsynth-train.tfrecord", "train"),
        ("/data/my_TEST_notes.tfrecord", "test"),
        ("/data/validation-00000-of-00002.parquet", "valid"),
        ("/data/validation/data-00000-of-00002.arrow", "valid"),
        ("/data/contest.tfrecord", None),
        ("/data/notes.tfrecord", None),
    ],
)
def test_a_name_tells_the_split(path: str, split: str | None) -> None:
    assert split_of(path) == split


@pytest.mark.parametrize("folder", ["v[1]", "[v1]", "a*b", "what?", "nsynth #2", "~"])
def test_the_name_of_a_folder_is_no_pattern(tmp_path: Path, folder: str) -> None:
    touch(tmp_path / folder, "nsynth-train.tfrecord", "nsynth-valid/examples.json")
    touch(tmp_path / "v1", "nsynth-test.tfrecord")
    touch(tmp_path / "a-b", "nsynth-test.tfrecord")
    assert [source.split for source in find(str(tmp_path / folder))] == ["train", "valid"]


def test_files_that_name_no_split_are_for_training(tmp_path: Path) -> None:
    touch(tmp_path, "more.tfrecord", "notes.tfrecord")
    assert [source.split for source in find(str(tmp_path))] == ["train", "train"]


def test_a_mistyped_split_is_not_trained_on(tmp_path: Path) -> None:
    touch(tmp_path, "nsynth-train.tfrecord", "nsynth-vaild.tfrecord")
    with pytest.raises(nsynth.RefusedDataError, match=r"nsynth-vaild\.tfrecord: the name contains no split"):
        find(str(tmp_path))
    assert len(find(str(tmp_path), split="train")) == 2
    assert len(find(str(tmp_path), pattern="*vaild*")) == 1


def test_the_official_files_are_found(tmp_path: Path) -> None:
    touch(tmp_path, "README.md", *(f"nsynth-{split}.tfrecord" for split in ("train", "valid", "test")))
    assert find(str(tmp_path)) == [
        Source(split, Form.TFRECORD, str(tmp_path / f"nsynth-{split}.tfrecord"))
        for split in ("test", "train", "valid")
    ]


def test_the_same_notes_in_two_forms_are_taken_once(tmp_path: Path) -> None:
    touch(tmp_path, "nsynth-train.tfrecord", "nsynth-train/examples.json", "nsynth-valid/examples.json")
    found = {(source.split, source.form) for source in find(str(tmp_path))}
    assert found == {("train", Form.TFRECORD), ("valid", Form.JSONWAV)}


def test_a_folder_or_a_file_may_be_given_itself(tmp_path: Path) -> None:
    touch(tmp_path, "nsynth-valid/examples.json", "one.tfrecord")
    assert [source.split for source in find(str(tmp_path / "nsynth-valid"))] == ["valid"]
    assert [source.form for source in find(str(tmp_path / "one.tfrecord"))] == [Form.TFRECORD]


def test_a_pattern_may_name_the_split(tmp_path: Path) -> None:
    touch(tmp_path, "a.tfrecord", "b.tfrecord")
    assert find(str(tmp_path), "b.*", "valid") == [
        Source("valid", Form.TFRECORD, str(tmp_path / "b.tfrecord"))
    ]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(nsynth.UserError, match="nowhere: no such file or folder"):
        find(str(tmp_path / "nowhere"))


def test_a_folder_that_may_not_be_read_is_told_from_an_empty_one(tmp_path: Path, monkeypatch) -> None:
    touch(tmp_path, "nsynth-train.tfrecord")
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.R_OK)  # root may read everything
    with pytest.raises(nsynth.UserError, match="cannot be read: permission denied"):
        find(str(tmp_path))


def test_an_empty_folder_is_told_from_one_without_notes(tmp_path: Path) -> None:
    with pytest.raises(nsynth.UserError, match="is empty"):
        find(str(tmp_path))
    touch(tmp_path, "README.md")
    with pytest.raises(nsynth.RefusedDataError, match=r"holds no notes.*Wanted: nsynth-train.tfrecord"):
        find(str(tmp_path))


SHARD = "nsynth-train.tfrecord-{:05d}-of-{:05d}"


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([SHARD.format(k, 4) for k in (0, 1, 3)], "3 of 4 shards are present. Missing, for example: 2"),
        ([SHARD.format(k, 4) for k in (0, 1, 2, 4)], "4 of 4 shards are present. Missing, for example: 3"),
        ([SHARD.format(0, 1), SHARD.format(0, 2), SHARD.format(1, 2)], "in 1 shards and in 2 shards"),
        (["nsynth-train.tfrecord", SHARD.format(0, 1)], "as one file and in 1 shards"),
        ([SHARD.format(0, 1), "nsynth-train.tfrecord-0-of-1"], "this shard appears twice"),
        (["train-00000-of-00003.parquet", "train-00002-of-00003.parquet"], "2 of 3 shards"),
        (
            ["nsynth-train.tfrecord", "nsynth-train (1).tfrecord"],
            "looks like a copy of .*nsynth-train.tfrecord",
        ),
        (["nsynth-train.tfrecord", "Copy of nsynth-train.tfrecord"], "looks like a copy"),
        (["nsynth-train.tfrecord", "nsynth-train copy.tfrecord"], "looks like a copy"),
        (["nsynth-train.tfrecord", "nsynth-valid.tfrecord.part"], "an unfinished download"),
        (["nsynth-train.tfrecord", "nsynth-train.tfrecord.1"], "an unfinished download"),
        (["nsynth-train.tfrecord", "nsynth-valid.jsonwav.tar.xz"], "packed in an unknown format"),
        (
            ["nsynth-train.tfrecord", "nsynth-valid/audio/a.wav"],
            "nsynth-valid contains no notes in a known format",
        ),
    ],
)
def test_a_set_that_is_not_whole_and_single_is_refused(names: list[str], says: str, tmp_path: Path) -> None:
    touch(tmp_path, *names)
    with pytest.raises(nsynth.RefusedDataError, match=says):
        find(str(tmp_path))


def test_one_shard_may_be_looked_at_alone(tmp_path: Path) -> None:
    touch(tmp_path, SHARD.format(0, 4), SHARD.format(1, 4))
    assert len(find(str(tmp_path / SHARD.format(0, 4)))) == 1
    assert len(find(str(tmp_path), "*-00000-of-00004")) == 1


def test_whole_sets_and_what_lies_beside_them_are_fine(tmp_path: Path) -> None:
    touch(tmp_path, *(SHARD.format(k, 3) for k in range(3)), "other-train.tfrecord-00000-of-00001")
    touch(
        tmp_path, "nsynth-valid.tfrecord", "nsynth-valid.tfrecord.md5", "README.md", "notes/plan.txt", ".part"
    )
    assert len(find(str(tmp_path))) == 5


def test_a_folder_of_a_split_that_may_not_be_read_stops_the_run(tmp_path: Path, monkeypatch) -> None:
    touch(tmp_path, "nsynth-train.tfrecord", "nsynth-valid/examples.json")
    monkeypatch.setattr("os.access", lambda path, mode: not str(path).endswith("valid"))  # root may read all
    with pytest.raises(nsynth.UserError, match="nsynth-valid cannot be read"):
        find(str(tmp_path))
