"""The entries of examples.json are found in one pass, in whatever pieces the file is read."""

import json
import time
import tracemalloc
from pathlib import Path

import pytest

from components.ingest import json_entries


@pytest.mark.parametrize("piece", [1, 2, 7, 37, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_file_is_scanned_in_pieces(piece: int, indent: int | None, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(json_entries, "_READ_BYTES", piece)
    monkeypatch.setattr(json_entries, "_AHEAD_BYTES", 40)
    entries = {
        f"näme{i}": {"note": i, "qualities": [0] * (i % 5), "text": 'ü}{,\\"]' * (i % 9)} | nested(i % 4)
        for i in range(50)
    }
    path = tmp_path / "examples.json"
    path.write_bytes(json.dumps(entries, indent=indent, ensure_ascii=False).encode())
    with path.open("rb") as file:
        places = list(json_entries.scan(file))
    content = path.read_bytes()
    assert [json.loads(content[start : start + size]) for start, size in places] == list(entries.values())


def nested(depth: int) -> dict:
    return {"inner": [nested(depth - 1), "]}"]} if depth else {}


@pytest.mark.slow
def test_a_missing_brace_costs_one_pass(tmp_path: Path) -> None:
    entry = b'"bass_electronic_018-022-100": {"note": 201034, "qualities_str": ["dark"], "pitch": 22}'
    path = tmp_path / "examples.json"
    path.write_bytes(b"{" + entry[:-1] + b"," + b",".join([entry] * 30_000) + b"}")
    tracemalloc.start()
    start = time.process_time()
    with (
        path.open("rb") as file,
        pytest.raises(json_entries.NotEntriesError, match="no valid JSON from byte"),
    ):
        list(json_entries.scan(file))
    assert time.process_time() - start < 10  # 3 MB; quadratic time would be minutes
    assert tracemalloc.get_traced_memory()[1] < 6e6
    tracemalloc.stop()
