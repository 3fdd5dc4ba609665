"""The peak of a process: its own, whatever it was forked from, and wherever the kernel tells it."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import memory

CHILD = "from pipeline.memory import peak_bytes; print(peak_bytes())"


def test_a_child_does_not_begin_with_its_parents_peak():
    grown = "import subprocess, sys; much = bytearray(b'x' * 300_000_000)"
    parent = f"{grown}; subprocess.run([sys.executable, '-c', {CHILD!r}])"
    done = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, check=True)
    assert 1e6 < int(done.stdout) < 150e6


@pytest.mark.parametrize("content", [None, "VmSize: 5 kB\nVmRSS: 3 kB\n"])
def test_where_the_kernel_does_not_tell_it_the_systems_figure_serves(tmp_path, monkeypatch, content):
    status: Path = tmp_path / "status"
    if content:
        status.write_text(content)
    monkeypatch.setattr(memory, "_STATUS", status)
    assert memory.peak_bytes() > 1e6
