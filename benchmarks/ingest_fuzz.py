"""Fuzzes the record validator: `python -m benchmarks.ingest_fuzz --records 100000`.

Valid records are mutated (bytes, protobuf features, sample values) and shown to it. It must never crash, and what it
accepts must keep the contract. Accepted records are held against an oracle of its own: protobuf's own values, one
by one, and rules written down a second time.
"""

import math
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import click
import numpy as np

import nsynth
from benchmarks.synthetic import make_notes
from components.audio import SILENCE_BELOW
from components.example_proto import Example, serialize
from components.ingest.contract import SAMPLE_LIMIT, ContractError, check

_SEEDS = 22  # valid records that mutations start from


def run(records: int, seed: int, tick: Callable[[], None] = lambda: None) -> Counter[str]:
    """Show `records` mutated records to the validator.

    Returns:
        How many were accepted, and how many refused for which reason.

    Raises:
        AssertionError: a record was accepted that breaks the contract.
        Exception: whatever the validator crashed with; anything but a ContractError is a crash.
    """
    generator = np.random.default_rng(seed)
    valid = [serialize(note) for note in make_notes(_SEEDS, seed)]
    outcomes: Counter[str] = Counter()
    for _ in range(records):
        record = valid[generator.integers(_SEEDS)]
        for _ in range(generator.integers(1, 4)):
            record = _MUTATIONS[generator.integers(len(_MUTATIONS))](record, generator)
        try:
            check(record)
            outcomes["accepted"] += 1
            broken = breaches(record)
            assert not broken, f"accepted although {broken}"
        except ContractError as error:
            outcomes[error.reason] += 1
        tick()
    return outcomes


def breaches(record: bytes) -> list[str]:
    """Return what the oracle finds wrong with a record: plain and slow, and sharing no code with the validator."""
    features = Example.FromString(record).features.feature
    lists = {"int64": "int64_list", "float": "float_list", "bytes": "bytes_list"}
    values = {}
    for key, (kind, length, *_) in nsynth.FEATURES.items():
        if key not in features:
            return [f"{key} is missing"]
        values[key] = list(getattr(features[key], lists[kind]).value)
        if length is not None and len(values[key]) != length:
            return [f"{key} has {len(values[key])} {kind} values"]
    one = {key: found[0] for key, found in values.items() if nsynth.FEATURES[key].length == 1}
    family, source = one[nsynth.FAMILY_STR].decode(), one[nsynth.SOURCE_STR].decode()
    instrument = one[nsynth.INSTRUMENT_STR].decode()
    peak = max(map(abs, values[nsynth.AUDIO]))
    rules = {
        "sample rate": one[nsynth.SAMPLE_RATE] == 16_000,
        "family": dict(enumerate(nsynth.FAMILIES)).get(one[nsynth.FAMILY]) == family,
        "source": dict(enumerate(nsynth.SOURCES)).get(one[nsynth.SOURCE]) == source,
        "instrument": instrument[:-3] == f"{family}_{source}_" and set(instrument[-3:]) <= set("0123456789"),
        "pitch": 0 <= one[nsynth.PITCH] <= 127,
        "velocity": 0 <= one[nsynth.VELOCITY] <= 127,
        "note_str": one[nsynth.NOTE_STR].decode()
        == f"{instrument}-{one[nsynth.PITCH]:03}-{one[nsynth.VELOCITY]:03}",
        "finite": all(map(math.isfinite, values[nsynth.AUDIO])),
        "range": peak <= SAMPLE_LIMIT,
        "sound": peak >= SILENCE_BELOW,
    }
    return [name for name, kept in rules.items() if not kept]


def _flip_bits(record: bytes, generator: np.random.Generator) -> bytes:
    """Anywhere: nearly always in the sound."""
    octets = bytearray(record)
    for place in generator.integers(len(octets), size=generator.integers(1, 9)) if octets else ():
        octets[place] ^= 1 << generator.integers(8)
    return bytes(octets)


def _flip_bits_outside_sound(record: bytes, generator: np.random.Generator) -> bytes:
    """In the last kilobyte or the first 64 bytes: keys, tags, lengths, names."""
    octets = bytearray(record)
    for _ in range(generator.integers(1, 4)):
        if octets:
            near_end = len(octets) - 1 - int(generator.integers(min(1000, len(octets))))
            place = near_end if generator.integers(4) else int(generator.integers(min(64, len(octets))))
            octets[place] = generator.integers(256)
    return bytes(octets)


def _cut(record: bytes, generator: np.random.Generator) -> bytes:
    start, end = sorted(generator.integers(len(record) + 1, size=2).tolist())
    return record[:start] + record[end:] if generator.integers(2) else record[:end]


def _insert(record: bytes, generator: np.random.Generator) -> bytes:
    place = int(generator.integers(len(record) + 1))
    return record[:place] + generator.bytes(int(generator.integers(1, 20))) + record[place:]


def _append_a_feature(record: bytes, generator: np.random.Generator) -> bytes:
    """Concatenated messages merge: a feature that appears twice counts as its last appearance."""
    return record + _change_feature(b"", generator)


def _change_feature(record: bytes, generator: np.random.Generator) -> bytes:
    """Give one feature another value, another type, or take it away."""
    try:
        example = Example.FromString(record)
    except Exception:  # an earlier mutation broke the message
        return record
    features = example.features.feature
    keys = list(nsynth.FEATURES)
    key = keys[generator.integers(len(keys))]
    how = generator.integers(4)
    if how == 0:
        features.pop(key, None)
    elif how == 1:
        features[key].int64_list.value[:] = [int(generator.choice(_INTEGERS))]
    elif how == 2:
        features[key].bytes_list.value[:] = [_TEXTS[generator.integers(len(_TEXTS))]]
    else:
        features[key].float_list.value.append(float(generator.choice(_FLOATS)))
    return example.SerializeToString()


def _change_samples(record: bytes, generator: np.random.Generator) -> bytes:
    """Set samples to values that are hard to get right."""
    try:
        example = Example.FromString(record)
    except Exception:  # an earlier mutation broke the message
        return record
    if nsynth.AUDIO not in example.features.feature:
        return record
    samples = example.features.feature[nsynth.AUDIO].float_list.value
    for place in generator.integers(len(samples), size=generator.integers(1, 4)) if samples else ():
        samples[int(place)] = float(generator.choice(_FLOATS))
    return example.SerializeToString()


_INTEGERS = (-(2**63), -1, 0, 1, 2, 3, 10, 11, 60, 127, 128, 8000, 16_000, 2**31, 2**63 - 1)
_FLOATS = (math.nan, math.inf, -math.inf, 0.0, -1.0, 1.0, 1.00003, 1.0001, -2.0, 3e38, 1e-45)
_TEXTS = (
    b"", b"bass", b"kazoo", b"\xff\xfe", b"acoustic", b"bass_acoustic_000", b"bass_acoustic_000\n",
    b"bass_acoustic_\xd9\xa0\xd9\xa1\xd9\xa2", b"bass_acoustic_000-036-025", b"bass_acoustic_000-36-25",
)  # fmt: skip
_MUTATIONS: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (
    _flip_bits,
    _flip_bits_outside_sound,
    _cut,
    _insert,
    _append_a_feature,
    *[_change_feature] * 4,
    *[_change_samples] * 4,
)


@click.command()
@click.option("--records", default=100_000, show_default=True, help="How many mutated records.")
@click.option("--seed", default=0, show_default=True, help="Of the mutations.")
def main(records: int, seed: int) -> None:
    """Fuzz the record validator."""
    from rich.console import Console
    from rich.progress import Progress

    started = time.monotonic()
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("Fuzzing", total=records)
        outcomes: Any = run(records, seed, lambda: progress.advance(task))
    for outcome, count in outcomes.most_common():
        click.echo(f"{count:>9,}  {outcome}")
    click.echo(
        f"{records:,} records in {time.monotonic() - started:.0f} s: no crash, none accepted that breaks the contract."
    )


if __name__ == "__main__":
    main()
