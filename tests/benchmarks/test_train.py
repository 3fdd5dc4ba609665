"""The benchmark of training's speed in short: every variant runs, the figures are put together rightly."""

import pytest

from benchmarks import train


@pytest.mark.e2e
@pytest.mark.parametrize("variant", train.VARIANTS)
def test_every_variant_is_measured(variant, tmp_path):
    train._generate(tmp_path / "66", 66)
    run = train.measure(variant, count=66, folder=str(tmp_path), epochs=2, size="tiny", batch_size=32)
    assert run["notes_per_s"] > 0
    assert run["cpu_ms_a_note"] > 0
    assert run["peak_rss_bytes"] > 1e8


def test_the_pipeline_is_set_against_each_variant():
    def run(variant: str, notes: int, speed: float, memory: float = 1e9) -> dict:
        return {"variant": variant, "notes": notes, "notes_per_s": speed, "cpu_ms_a_note": 1e3 / speed,
                "peak_rss_bytes": memory}  # fmt: skip

    runs = [run(variant, 100, 200) for variant in train.VARIANTS if variant != "pipeline"]
    runs += [run("pipeline", 100, speed) for speed in (170, 180, 190)]
    runs.append(run("pipeline", 400, 180, memory=1.05e9))
    summary = train.summarize(runs)
    assert summary["pipeline_of_speed"]["in-memory"] == pytest.approx(0.9)
    assert summary["pipeline_of_cpu"]["plain"] == pytest.approx(1 / 0.9)
    assert summary["memory_growth"] == pytest.approx(0.05)
    assert summary["memory_growth_sizes"] == [100, 400]
