"""A change selects the tests that can see it, and no others."""

import pytest

from pipeline.fingerprint import ROOT
from tools.affected import affected

TESTS = [
    ROOT / "tests" / name
    for name in ("pipeline/retrain/test_lock.py", "transform/test_log_mel.py", "pipeline/test_settings.py")
]


@pytest.mark.parametrize(
    ("changed", "selected"),
    [
        ("pipeline/retrain/lock.py", ["test_lock.py"]),
        ("transform/log_mel.py", ["test_log_mel.py"]),
        ("tests/pipeline/retrain/conftest.py", ["test_lock.py"]),
        ("transform/options.py", ["test_lock.py", "test_log_mel.py", "test_settings.py"]),
        ("README.md", []),
    ],
)
def test_what_a_change_selects(changed, selected):
    assert [test.name for test in affected({ROOT / changed}, TESTS)] == selected
