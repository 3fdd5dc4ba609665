"""The notes that are put aside: every class, at random otherwise, each as it lies among all."""

from collections import Counter
from pathlib import Path

import pytest

import nsynth
from benchmarks.synthetic import make_notes
from components import tfrecord
from components.example_proto import serialize
from components.ingest import sample
from components.ingest.contract import check
from components.ingest.index import load_or_scan
from components.ingest.options import IngestOptions
from components.ingest.sample import Sample
from components.ingest.shard import Layout, Used, reports, split_folder, write_shard
from components.ingest.shuffle import plan
from components.ingest.sources import find
from components.sample import distance_from_typical

COUNTS = {"train": 30, "valid": 14}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "NOTES", COUNTS)


def records(folder: Path) -> list[bytes]:
    return [r for path in sorted(folder.iterdir()) for r in tfrecord.records(path.read_bytes())]


@pytest.mark.usefixtures("few")
def test_every_class_is_there_with_its_most_typical_note_and_every_record_is_one_of_the_split(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for number, (split, count) in enumerate((("train", 88), ("valid", 44), ("test", 11))):
        notes = make_notes(count, number, first_number=100 * number)
        content = b"".join(tfrecord.frame(serialize(note)) for note in notes)
        (data / f"nsynth-{split}.tfrecord").write_bytes(content)
    layout = Layout(*(str(tmp_path / name) for name in Layout._fields))
    indexes = [load_or_scan(source, str(tmp_path / "cache")) for source in find(str(data))]
    shards, chosen = list(plan(indexes, IngestOptions(dev_fraction=0.2))), Sample()
    for shard in shards:
        write_shard(shard, layout)
    for shard, (used, _) in zip(shards, reports(shards, layout), strict=True):
        chosen.add(shard.name, used)
    assert chosen.write(layout) == ["train", "valid"]
    assert sorted(path.name for path in (tmp_path / "sample").glob("Split-*")) == [
        "Split-train",
        "Split-valid",
    ]
    for split, count in COUNTS.items():
        found, every = (records(tmp_path / of / f"Split-{split}") for of in ("sample", "examples"))
        assert len(found) == len(set(found)) == count
        assert [record for record in every if record in set(found)] == found, "not in the order of the shards"
        of_class: dict[int, list[float]] = {}
        for note in map(check, found):
            of_class.setdefault(note.attributes["family"], []).append(distance_from_typical(note.attributes))
        for note in map(check, every):
            least = min(of_class[note.attributes["family"]])
            assert least <= distance_from_typical(note.attributes)


@pytest.mark.usefixtures("few")
def test_beyond_the_typical_ones_notes_are_taken_as_the_shuffle_deals_them(tmp_path: Path) -> None:
    """So that shares and accuracies over the sample are those of the split, but for chance."""
    layout = Layout(*(str(tmp_path / name) for name in Layout._fields))
    shards = Path(split_folder(layout.examples, "train"))
    shards.mkdir(parents=True)
    chosen = Sample()
    for shard in "ab":
        frames = [tfrecord.frame(f"{shard}{place:02}".encode()) for place in range(40)]
        (shards / shard).write_bytes(b"".join(frames))
        chosen.add(
            shard,
            [
                Used(
                    "train",
                    str(place),
                    "",
                    "",
                    {"family": 3, "pitch": 99 - place},
                    (),
                    len(frames[0]) * place,
                    3,
                )
                for place in range(40)
            ],
        )
    assert chosen.write(layout) == ["train"]
    found = records(Path(split_folder(layout.sample, "train")))
    assert found == [b"a%02d" % place for place in (*range(COUNTS["train"] - 1), 39)]


def test_the_distance_counts_the_numbers_that_a_note_has() -> None:
    assert distance_from_typical({"pitch": 60, "velocity": 100, "source": 2}) == 0
    assert distance_from_typical({"pitch": 57}) == 3
    assert distance_from_typical({"pitch": 62, "velocity": 92}) == 2 + 2
    assert distance_from_typical({}) == 0
    assert Counter(number.word for number in nsynth.NUMBERS) == {"pitch": 1, "velocity": 1}
