"""The one look at NSynth's official test split: `python -m benchmarks.accuracy_official MODEL TEST.tfrecord`.

Valid and test share their instruments, and a figure that was looked at more than once has been chosen by. So every
look is written down, with the model, the notes and the figures, and each further one says which number it is.
"""

import datetime
import hashlib
import json
from pathlib import Path
from typing import Any

import click

import nsynth

RESAMPLES, CONFIDENCE, SEED = 10_000, 0.95, 0


@click.command()
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("test", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--looks", default="workspace/benchmarks/official-test.json", show_default=True, type=Path,
              help="Where each look is written down.")  # fmt: skip
def main(model: Path, test: tuple[Path, ...], looks: Path) -> None:
    """Accuracy of a pushed MODEL on the notes of TEST: 11-way, micro and macro, intervals by instrument."""
    earlier = json.loads(looks.read_text()) if looks.exists() else []
    try:
        figures = measure(model, test)
    except nsynth.UserError as error:
        raise click.ClickException(str(error)) from error
    look = {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "model": _hash(model),
        **figures,
    }
    looks.parent.mkdir(parents=True, exist_ok=True)
    looks.write_text(json.dumps([*earlier, look], indent=2) + "\n")
    for name in ("accuracy", "macro_recall"):
        figure = look[name]
        value, low, high = (f"{100 * figure[key]:.1f}" for key in ("value", "low", "high"))
        click.echo(f"{name.replace('_', ' '):13} {value} %, 95 % interval [{low}, {high}]")
    click.echo(
        f"{look['notes']:,} notes of {look['instruments']} instruments; no note of {look['absent'] or 'none'}"
    )
    click.echo(f"Look number {len(earlier) + 1} at a test split, written to {looks}")
    if earlier:
        click.echo("A later look is no independent test: report the first one, or all.")


def measure(model: Path, test: tuple[Path, ...]) -> dict[str, Any]:
    """Asks the exported model for every note.

    Args:
      model: folder of a SavedModel.
      test: TFRecord files of raw notes.

    Raises:
      UserError: there is no note, or the model does not answer with probabilities.
    """
    from components.gate import figures
    from components.gate.bootstrap import Resampling
    from components.predictions import predict

    predictions = predict([str(file) for file in test], str(model), None)
    resampling = Resampling.of(predictions.instrument_str, RESAMPLES, CONFIDENCE, SEED)
    counts = figures.confusion(predictions.candidate.argmax(1), predictions.family)
    return {
        **figures.overall(predictions.candidate, predictions.family, resampling),
        "notes": len(predictions),
        "instruments": resampling.instruments,
        "absent": ", ".join(f for f, row in zip(nsynth.FAMILIES, counts, strict=True) if not row.sum()),
        "by_family": figures.by_family(counts),
        "confusion": counts.tolist(),
        "test": [{"file": file.name, "bytes": file.stat().st_size} for file in test],
    }


def _hash(model: Path) -> str:
    """SHA-256 over the files of a model, 16 hex digits."""
    digest = hashlib.sha256()
    for file in sorted(path for path in model.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(model)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    main()
