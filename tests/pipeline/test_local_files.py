"""What drivers ask of local files without TensorFlow is what they are told with it."""

import pytest


@pytest.mark.slow
def test_a_file_is_described_as_by_tensorflow(tmp_path):
    from tfx.dsl.io.plugins.tensorflow_gfile import TensorflowFilesystem

    from pipeline.local_files import LocalFiles

    file = tmp_path / "notes.tfrecord"
    file.write_bytes(b"123")
    ours, theirs = (kind.stat(str(file)) for kind in (LocalFiles, TensorflowFilesystem))
    assert ours.length == theirs.length == 3
    assert ours.mtime_nsec // 10**9 == theirs.mtime_nsec // 10**9  # TFX counts seconds
