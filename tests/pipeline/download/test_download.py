"""Downloads from a server that misbehaves: what appears is official records, byte for byte, or nothing."""

import base64
import hashlib
import json
import random
import shutil
import threading
from pathlib import Path

import google_crc32c
import pytest

import nsynth
from benchmarks import download_kill
from benchmarks.nsynth_server import Server, VirtualFile
from components.ingest.index import scan
from components.ingest.sources import find
from components.remote.errors import Patience
from pipeline.download import notice
from pipeline.download.download import Reporter, Request, download
from pipeline.download.origin import FolderOrigin, HttpOrigin

TRAIN = "nsynth-train.tfrecord"


def request(out: Path, notes: int | None = 120, **others) -> Request:
    return Request(out, **{"splits": ("train",), "notes": notes, "connections": 4, **others})


def records_in(path: Path) -> list[bytes]:
    content = path.read_bytes()
    index = scan(find(str(path))[0])
    assert not index.damage
    return [
        content[offset : offset + length + 16]
        for offset, length in zip(index.offsets, index.lengths, strict=True)
    ]


@pytest.fixture(scope="session")
def official_records(train_file: VirtualFile) -> list[bytes]:
    return train_file.records()


@pytest.fixture(scope="session")
def undisturbed(shared_server: Server, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = tmp_path_factory.mktemp("undisturbed")
    download(request(out), HttpOrigin(shared_server.url))
    return (out / TRAIN).read_bytes()


@pytest.mark.slow
def test_a_sample_holds_official_records_each_once_in_the_order_of_the_file(
    origin, tmp_path, official_records
):
    noted = download(request(tmp_path, 400), origin)
    sampled = records_in(tmp_path / TRAIN)
    places = [official_records.index(record) for record in sampled]
    assert len(places) == 400
    assert places == sorted(set(places))
    counted = noted["splits"]["train"]["coverage"]
    assert counted["notes"] == 400
    assert all(family["notes"] for family in counted["families"].values())


@pytest.mark.slow
def test_another_seed_takes_other_records_and_the_same_seed_the_same(origin, tmp_path, undisturbed):
    download(request(tmp_path / "same"), origin)
    download(request(tmp_path / "other", seed=1), origin)
    assert (tmp_path / "same" / TRAIN).read_bytes() == undisturbed
    assert (tmp_path / "other" / TRAIN).read_bytes() != undisturbed


def test_valid_gets_a_sixth_and_what_is_there_is_not_downloaded_again(origin, server, tmp_path):
    asked = request(tmp_path, splits=("train", "valid"))
    noted = download(asked, origin)
    assert noted["splits"]["valid"]["coverage"]["notes"] == 20
    before = server.behaviour.requests
    assert download(asked, origin) == noted
    assert server.behaviour.requests == before
    assert not (tmp_path / ".nsynth-download").exists()


def test_beside_the_data_lies_where_it_came_from(origin, server, tmp_path):
    download(request(tmp_path), origin)
    text = (tmp_path / "SOURCE.md").read_text()
    assert f"{server.url}/{TRAIN}" in text
    assert "CC BY 4.0" in text
    assert "1704.01279" in text
    entry = json.loads((tmp_path / "download.json").read_text())["splits"]["train"]
    assert (entry["version"], entry["seed"]) == ('"first"', 0)


def test_another_sample_does_not_replace_the_one_that_is_there(origin, tmp_path, undisturbed):
    download(request(tmp_path), origin)
    with pytest.raises(nsynth.UserError, match="contains 120 notes with the seed 0"):
        download(request(tmp_path, seed=5), origin)
    assert (tmp_path / TRAIN).read_bytes() == undisturbed


def test_a_file_of_somebody_else_is_left_alone(origin, tmp_path):
    (tmp_path / TRAIN).write_bytes(b"mine")
    with pytest.raises(nsynth.UserError, match="did not come from"):
        download(request(tmp_path), origin)


def cut_connections(behaviour):
    behaviour.cut_every = 3


def unavailable_for_a_while(behaviour):
    behaviour.statuses = [503, 429, 500]


def a_wrong_byte(behaviour):
    behaviour.corrupt = [4]


@pytest.mark.parametrize("misbehave", [cut_connections, unavailable_for_a_while, a_wrong_byte])
def test_transient_faults_leave_no_trace(misbehave, origin, server, tmp_path, undisturbed):
    misbehave(server.behaviour)
    noted = download(request(tmp_path), origin)
    assert (tmp_path / TRAIN).read_bytes() == undisturbed
    assert noted["splits"]["train"]["damaged"] == 0


def test_a_cut_connection_costs_only_what_was_under_way(origin, server, tmp_path):
    download(request(tmp_path / "whole"), origin)
    undisturbed_bytes, server.behaviour.bytes_sent = server.behaviour.bytes_sent, 0
    server.behaviour.cut_every = 2
    download(request(tmp_path / "cut"), origin)
    assert server.behaviour.bytes_sent == undisturbed_bytes


def test_a_file_that_changes_in_the_middle_is_noticed_and_nothing_of_the_old_one_is_kept(
    origin, server, tmp_path, train_file
):
    class ChangesAfterTheFirstBytes(Reporter):
        def begin(self, split, total_bytes, done_bytes):
            def arrived(_):
                server.behaviour.etag = '"second"'

            return arrived

    with pytest.raises(nsynth.UserError, match="changed during the download"):
        download(request(tmp_path), origin, ChangesAfterTheFirstBytes())
    assert find_nothing(tmp_path)
    noted = download(request(tmp_path), origin)
    assert noted["splits"]["train"]["version"] == '"second"'


def find_nothing(folder: Path) -> bool:
    """Whether ingest sees no notes."""
    try:
        return not find(str(folder))
    except nsynth.UserError:
        return True


class Interrupted(Reporter):
    """Ctrl-C after ten megabytes."""

    def begin(self, split, total_bytes, done_bytes):
        arrived = [0]

        def stop(count):
            arrived[0] += count
            if arrived[0] > 10_000_000:
                raise KeyboardInterrupt

        return stop


def test_bytes_that_a_power_cut_has_lost_are_fetched_again(origin, tmp_path, undisturbed):
    with pytest.raises(KeyboardInterrupt):
        download(request(tmp_path), origin, Interrupted())
    kept = tmp_path / ".nsynth-download" / "train" / "data"
    kept.write_bytes(bytes(kept.stat().st_size))
    noted = download(request(tmp_path), origin)
    assert (tmp_path / TRAIN).read_bytes() == undisturbed
    assert noted["splits"]["train"]["damaged"] == 0


def test_a_file_that_changed_between_two_attempts_is_started_anew(server, origin, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        download(request(tmp_path), origin, Interrupted())
    assert find_nothing(tmp_path)
    server.behaviour.etag, server.behaviour.bytes_sent = '"second"', 0
    download(request(tmp_path), origin)
    assert server.behaviour.bytes_sent > 120 * 5 / 4 * 256_000


@pytest.mark.parametrize(
    ("status", "words"), [(403, "403 Forbidden.*--mirror"), (404, "404"), (407, "HTTP_PROXY")]
)
def test_a_refusal_is_told_at_once(status, words, origin, server, tmp_path):
    server.behaviour.statuses = [status]
    with pytest.raises(nsynth.UserError, match=words):
        download(request(tmp_path), origin)
    assert server.behaviour.requests == 1


def test_a_server_that_stays_unavailable_is_given_up(origin, server, tmp_path):
    server.behaviour.statuses = [503] * 50
    with pytest.raises(nsynth.UserError, match=r"4 attempts in a row failed.*503.*resume"):
        download(request(tmp_path), origin)


def test_a_range_that_the_server_no_longer_has_means_that_the_file_changed(origin, server, tmp_path):
    server.behaviour.statuses = []
    remote = origin.describe(TRAIN)
    server.behaviour.statuses = [416]
    with pytest.raises(nsynth.UserError, match="changed during the download"):
        list(origin.stream(remote, 1000, 2000))


def test_a_proxy_that_drops_the_range_does_not_discard_what_is_there(origin, server):
    remote = origin.describe(TRAIN)
    server.behaviour.ranges = False
    with pytest.raises(nsynth.UserError, match=r"the whole file instead of the requested range.*resume"):
        list(origin.stream(remote, 1000, 2000))


def test_a_stopped_download_does_not_wait_for_the_server(server):
    origin = HttpOrigin(server.url, Patience(first_wait_s=60, longest_wait_s=60))
    remote = origin.describe(TRAIN)
    server.behaviour.statuses = [503]
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    assert list(origin.stream(remote, 0, 100, stop)) == []


def test_no_network_is_said_in_words(tmp_path):
    nobody = HttpOrigin("http://127.0.0.1:9", Patience(attempts=2, first_wait_s=0.01))
    with pytest.raises(nsynth.UserError, match=r"Connection refused.*network.*proxy"):
        download(request(tmp_path), nobody)


def test_a_proxy_that_does_not_answer_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(nsynth.UserError, match=r"the proxy does not answer.*HTTP_PROXY"):
        download(request(tmp_path), HttpOrigin("http://nsynth.example", Patience(attempts=2)))


def test_without_ranges_the_whole_file_is_offered_with_its_size(origin, server, tmp_path):
    server.behaviour.ranges = False
    with pytest.raises(nsynth.UserError, match=r"does not support range requests.*0.5 GB.*--all"):
        download(request(tmp_path), origin)


class Agrees(Reporter):
    def may_take_whole(self, remote):
        return True


def test_without_ranges_a_cut_download_of_the_whole_file_is_resumed(origin, server, tmp_path, valid_file):
    server.behaviour.ranges = False
    server.behaviour.cut_every = 2
    noted = download(request(tmp_path, splits=("valid",)), origin, Agrees())
    assert (tmp_path / "nsynth-valid.tfrecord").read_bytes() == b"".join(valid_file.records())
    assert noted["splits"]["valid"]["whole"]


def stated(content: bytes) -> str:
    digests = {
        "crc32c": google_crc32c.Checksum(content).digest(),
        "md5": hashlib.md5(content).digest(),
    }
    return ",".join(f"{name}={base64.b64encode(digest).decode()}" for name, digest in digests.items())


def test_whole_files_are_held_against_the_checksums_of_the_server(origin, server, tmp_path, valid_file):
    content = b"".join(valid_file.records())
    server.behaviour.checksums = stated(content)
    server.behaviour.cut_every = 2
    download(request(tmp_path, None, splits=("valid",)), origin)
    assert (tmp_path / "nsynth-valid.tfrecord").read_bytes() == content


def test_a_whole_file_with_a_wrong_byte_does_not_appear(origin, server, tmp_path, valid_file):
    server.behaviour.checksums = stated(b"".join(valid_file.records()))
    server.behaviour.corrupt = [2]
    with pytest.raises(nsynth.UserError, match="does not match the crc32c of the server"):
        download(request(tmp_path, None, splits=("valid",)), origin)
    assert find_nothing(tmp_path)


def test_without_a_checksum_of_the_file_that_of_each_record_is_verified(origin, server, tmp_path, valid_file):
    server.behaviour.corrupt = [2]
    noted = download(request(tmp_path, None, splits=("valid",)), origin)
    entry = noted["splits"]["valid"]
    assert (entry["damaged"], entry["coverage"]["notes"]) == (1, valid_file.notes - 1)
    assert "damaged, and there as they are: 1 records" in (tmp_path / "SOURCE.md").read_text()


def test_a_sample_that_would_be_most_of_the_file_is_the_whole_file(origin, tmp_path, valid_file):
    noted = download(request(tmp_path, 6 * 120, splits=("valid",)), origin)
    assert noted["splits"]["valid"]["coverage"]["notes"] == valid_file.notes


def test_a_full_disk_is_told_before_anything_is_fetched(origin, server, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 10**12, 10**6))
    with pytest.raises(nsynth.UserError, match=r"too full.*needs 0.1 GB, 0.0 GB are free"):
        download(request(tmp_path), origin)
    assert server.behaviour.bytes_sent < 100


def test_what_is_no_tfrecord_is_refused(tmp_path):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / TRAIN).write_bytes(b"<html>" * 1000)
    with pytest.raises(nsynth.UserError, match="is not a TFRecord of notes"):
        download(request(tmp_path / "out", 10), FolderOrigin(tmp_path / "mirror"))


def test_a_record_that_is_damaged_in_the_official_file_is_left_out_and_told(origin, server, tmp_path):
    remote = origin.describe(TRAIN)
    (tmp_path / "mirror").mkdir()
    content = bytearray(b"".join(origin.stream(remote, 0, 15_000_000)))
    for place in range(500_000, len(content), 1_000_000):
        content[place] ^= 1
    (tmp_path / "mirror" / TRAIN).write_bytes(content)
    noted = download(request(tmp_path / "out", 20), FolderOrigin(tmp_path / "mirror"))
    assert noted["splits"]["train"]["damaged"] > 0
    assert "damaged in the official file" in (tmp_path / "out" / "SOURCE.md").read_text()
    records_in(tmp_path / "out" / TRAIN)  # without damage


@pytest.mark.needs_real_notes
def test_real_notes_from_a_folder(real_notes, tmp_path):
    noted = download(request(tmp_path, 40), FolderOrigin(real_notes))
    sampled, official = records_in(tmp_path / TRAIN), records_in(real_notes / TRAIN)
    places = [official.index(record) for record in sampled]
    assert len(places) == 40
    assert places == sorted(set(places))
    assert noted["splits"]["train"]["coverage"]["instruments"] > 30


@pytest.mark.slow
def test_a_killed_download_resumes_and_comes_out_the_same(server, tmp_path, undisturbed):
    server.behaviour.bytes_per_s = 20e6
    moments = random.Random(1)
    wanted = hashlib.sha256(undisturbed).hexdigest()
    for number in range(3):
        found = download_kill.kill_once(server, tmp_path / str(number), 120, moments.uniform(0.6, 2))
        assert not found.visible
        assert found.digest == wanted


def test_the_notice_survives_a_second_split(origin, tmp_path):
    download(request(tmp_path, splits=("valid",)), origin)
    download(request(tmp_path), origin)
    assert list(notice.load(tmp_path)["splits"]) == ["train", "valid"]
