"""What a process and all its children use: memory, and bytes that went to or came from the disk."""

from typing import NamedTuple

import psutil


class Use(NamedTuple):
    """At one moment."""

    rss_bytes: int  # of all that live now
    cpu_s: float  # of all that ever lived and were seen
    read_bytes: int  # from the disk, likewise; what came from the page cache does not count
    written_bytes: int


class Tree:
    """A process and its children. Ask often: a child that came and went between two questions is missed."""

    def __init__(self, pid: int):
        self._root = psutil.Process(pid)
        self._seen: dict[
            tuple[int, float], tuple[float, int, int]
        ] = {}  # (pid, start) → CPU s, read, written

    def use(self) -> Use:
        """Return what is used now."""
        rss = 0
        try:
            alive = [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            alive = []
        for process in alive:
            try:
                with process.oneshot():
                    disk, times = process.io_counters(), process.cpu_times()
                    rss += process.memory_info().rss
                    who = (process.pid, process.create_time())
                    self._seen[who] = (times.user + times.system, disk.read_bytes, disk.write_bytes)
            except psutil.Error:
                continue  # it has just ended
        cpu, read, written = (sum(values) for values in zip(*self._seen.values(), strict=True))
        return Use(rss, cpu, read, written)
