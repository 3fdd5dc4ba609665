"""Renders the demo corpus: plans it, plays it on all cores, writes it, and shows it only when it is whole."""

import collections
import dataclasses
import errno
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from pathlib import Path

import nsynth
from corpus.fonts import Font, open_fonts
from corpus.note import FULL_SCALE, Note
from corpus.options import CorpusOptions
from corpus.overview import SUMMARY_FILE, CorpusSummary, find_finished, parameters, summarize, write_tables
from corpus.plan import Delivery, Instrument, plan_corpus
from corpus.publish import published, sole_writer
from corpus.qualities import measure
from corpus.splits import SPLITS
from corpus.synth import normalize, player
from corpus.write import JsonWavWriter, TFRecordWriter, Writer

Progress = Callable[[int, int], None]
"""Is told (notes done, notes planned)."""

BYTES_PER_NOTE = 4 * nsynth.NOTE_SAMPLES + 1_000  # a TFRecord's record
BYTES_PER_WAV = 2 * nsynth.NOTE_SAMPLES + 1_500
NOTES_PER_TASK = 25


def render_corpus(
    options: CorpusOptions,
    out: Path,
    *,
    progress: Progress | None = None,
    workers: int | None = None,
    force: bool = False,
    delivery: Delivery | None = None,
) -> CorpusSummary:
    """Render a corpus into the folder `out`, unless the same one is there already.

    Args:
        options: what to render.
        out: folder to make; while the work goes on it does not exist, or holds the former corpus.
        progress: called from time to time.
        workers: processes; by default one for each core. The bytes do not depend on it.
        force: replace a corpus in `out` even if it is the same, or one of other options.
        delivery: which part of the corpus to render; by default all.

    Returns:
        What is in `out`; its `rendered` tells whether this call made it.

    Raises:
        UserError: a SoundFont is missing or unreadable; `out` holds something else; the disk is full.
    """
    fonts = open_fonts(options.soundfonts)
    with sole_writer(out):
        finished = find_finished(out)
        if finished and not force and finished.parameters == parameters(options, fonts, delivery):
            return finished
        _require_replaceable(out, force)
        return _render(options, fonts, out, progress, workers or os.cpu_count() or 1, delivery)


def render_notes(instruments: Sequence[Instrument], workers: int = 1) -> Iterator[list[Note]]:
    """Play all notes of the instruments in their order and yield some at a time; silent ones are left out."""
    tasks = [
        dataclasses.replace(instrument, notes=instrument.notes[start : start + NOTES_PER_TASK])
        for instrument in instruments
        for start in range(0, len(instrument.notes), NOTES_PER_TASK)
    ]
    if workers == 1:
        yield from map(_play, tasks)
        return
    # Fresh interpreters: a fork of a process that runs TensorFlow's threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(tasks)), context, initializer=_ignore_interrupts) as pool:
        waiting: collections.deque[Future[list[Note]]] = collections.deque()
        try:
            for task in tasks:
                waiting.append(pool.submit(_play, task))
                if len(waiting) > 4 * workers:  # bounds the memory
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise nsynth.UserError(
                "A rendering process was killed, most likely for lack of memory: use fewer --workers."
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _render(
    options: CorpusOptions,
    fonts: Sequence[Font],
    out: Path,
    progress: Progress | None,
    workers: int,
    delivery: Delivery | None,
) -> CorpusSummary:
    began = time.monotonic()
    instruments = plan_corpus(options, fonts)
    if delivery:
        instruments = delivery.of(instruments)
    splits = delivery.splits if delivery else SPLITS
    planned = sum(len(instrument.notes) for instrument in instruments)
    bytes_needed = planned * (BYTES_PER_NOTE + (BYTES_PER_WAV if options.json_wav else 0))
    _require_space(out, bytes_needed)
    pitches: dict[str, list[int]] = {instrument.name: [] for instrument in instruments}
    try:
        with published(out) as folder:
            with ExitStack() as stack:
                writers: list[Writer] = [stack.enter_context(TFRecordWriter(folder, splits))]
                if options.json_wav:
                    writers.append(stack.enter_context(JsonWavWriter(folder, splits)))
                for notes in render_notes(instruments, workers):
                    for note in notes:
                        for writer in writers:
                            writer.add(note)
                        pitches[note.instrument_str].append(note.pitch)
                    if progress:
                        progress(sum(map(len, pitches.values())), planned)
            write_tables(folder, instruments, pitches, fonts)
            summary = summarize(folder, instruments, pitches, parameters(options, fonts, delivery))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise nsynth.UserError(_no_space(out, bytes_needed)) from error
        raise
    return summary.model_copy(update={"rendered": True, "seconds": time.monotonic() - began})


def _play(instrument: Instrument) -> list[Note]:
    """Render an instrument's notes, silent ones left out."""
    voice = player(instrument.font_path)
    notes = []
    for planned in instrument.notes:
        waveform = voice.play(instrument.bank, instrument.program, planned.pitch, planned.velocity)
        audio = normalize(waveform, planned.peak)
        if audio is not None:
            notes.append(
                Note(
                    split=instrument.split,
                    number=planned.number,
                    instrument=instrument.number,
                    instrument_str=instrument.name,
                    family=instrument.family,
                    source=instrument.source,
                    pitch=planned.pitch,
                    velocity=planned.velocity,
                    qualities=measure(audio / FULL_SCALE, planned.pitch, instrument.program),
                    audio=audio,
                )
            )
    return notes


def _require_replaceable(out: Path, force: bool) -> None:
    """Make sure that no folder of other things is replaced, and a corpus only if the user wants it."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / SUMMARY_FILE).is_file():
        raise nsynth.UserError(
            f"{out} exists and is not a rendered corpus: choose another folder with --out."
        )
    if not force:
        raise nsynth.UserError(
            f"{out} contains a corpus that was rendered with other options or is damaged. Use it unchanged with "
            f"`nsynth run --data {out}`, replace it with `nsynth corpus --force`, or choose another folder: --out of "
            f"`nsynth corpus`, --set workspace=... of `nsynth run`."
        )


def _require_space(out: Path, bytes_needed: int) -> None:
    if shutil.disk_usage(out.parent).free < bytes_needed:
        raise nsynth.UserError(_no_space(out, bytes_needed))


def _no_space(out: Path, bytes_needed: int) -> str:
    return (
        f"The disk of {out} is full: the corpus needs {bytes_needed / 1e9:.2f} GB. "
        f"Free some, name a folder on another disk with --out, or render fewer notes with --size."
    )


def _ignore_interrupts() -> None:
    """Ctrl-C reaches all processes; only the parent shall answer it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
