import csv

import numpy as np
import pytest

from corpus.options import CorpusOptions
from corpus.overview import find_finished
from corpus.render import render_corpus


@pytest.fixture
def finished(small_font, tmp_path):
    options = CorpusOptions(soundfonts=(str(small_font),), size=2)
    return render_corpus(options, tmp_path / "out", workers=1), tmp_path / "out"


def test_a_finished_corpus_is_found(finished):
    summary, folder = finished
    assert find_finished(folder) == summary.model_copy(update={"rendered": False, "seconds": 0.0})


@pytest.mark.parametrize("name", ["nsynth-train.tfrecord", "corpus.csv", "corpus.json"])
def test_a_corpus_that_lacks_a_file_is_not_finished(finished, name):
    _, folder = finished
    (folder / name).unlink()
    assert find_finished(folder) is None


def test_a_summary_that_is_no_json_is_not_finished(finished):
    _, folder = finished
    (folder / "corpus.json").write_text("{")
    assert find_finished(folder) is None


def test_the_table_has_a_row_for_each_instrument(finished):
    summary, folder = finished
    with (folder / "corpus.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(summary.instruments.values()) == 7
    assert sum(int(row["notes"]) for row in rows) == summary.total_notes
    tuba = next(row for row in rows if row["preset"] == "tuba")
    flute = next(row for row in rows if row["preset"] == "flute 2")
    assert (tuba["instrument_str"], tuba["font"], tuba["program"]) == ("brass_acoustic_000", "made", "58")
    assert (tuba["recording_group"], tuba["split"]) == (flute["recording_group"], flute["split"])


def test_licences_name_the_font_its_licence_and_its_hash(finished):
    summary, folder = finished
    (font,) = summary.parameters["soundfonts"]
    text = (folder / "LICENCES.md").read_text()
    assert f"| made | nobody's | a file of the user's | {font['sha256']} |" in text


def test_one_line_says_what_the_notes_are(finished):
    _, folder = finished
    [line] = (folder / "origin.txt").read_text().splitlines()
    assert line.startswith("notes rendered from SoundFonts of one lineage (made)")


def test_licences_quote_what_a_font_says_of_itself_and_keep_the_table_whole(make_soundfont, tmp_path):
    font = make_soundfont(
        [(0, 0, "piano", [(0, 127, 0)])],
        [np.arange(-8_000, 8_000)],
        copyright_line="mine | ours\nand theirs",
        comment="Use it freely.\r\nName me.",
    )
    render_corpus(CorpusOptions(soundfonts=(str(font),), size=1), tmp_path / "out", workers=1)
    text = (tmp_path / "out" / "LICENCES.md").read_text()
    assert "| made | mine / ours and theirs | a file" in text
    assert text.endswith("## What made says of itself\n\n> Use it freely.\n> Name me.\n")
