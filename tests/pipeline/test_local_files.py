from pathlib import Path

import pytest


@pytest.mark.slow
def test_local_files_are_what_tensorflow_says_they_are(tmp_path: Path) -> None:
    import tensorflow as tf

    from pipeline.local_files import LocalFiles

    for name in "cab":
        (tmp_path / name).write_text(name)
    assert LocalFiles.glob(f"{tmp_path}/*") == sorted(tf.io.gfile.glob(f"{tmp_path}/*"))
    ours, theirs = LocalFiles.stat(f"{tmp_path}/a"), tf.io.gfile.stat(f"{tmp_path}/a")
    assert (ours.length, ours.mtime_nsec) == (theirs.length, theirs.mtime_nsec)
    for content in ("text", b"bytes"):
        with LocalFiles.open(f"{tmp_path}/a", "wb") as file:
            file.write(content)
        assert tf.io.gfile.GFile(f"{tmp_path}/a", "rb").read() in (content, b"text")
