"""The note that lies beside downloaded data: where it came from, its licence, how to cite it, what it covers."""

import json
from pathlib import Path
from typing import Any

import atomic
from pipeline.download import coverage, official

JSON_FILE = "download.json"
TEXT_FILE = "SOURCE.md"


def load(folder: Path) -> dict[str, Any]:
    """Return what is noted in a folder: `splits` by name; empty where nothing was downloaded."""
    path = folder / JSON_FILE
    if not path.exists():
        return {"splits": {}}
    return json.loads(path.read_text())


def add(folder: Path, split: str, entry: dict[str, Any]) -> None:
    """Note a split that has been downloaded."""
    noted = load(folder)
    splits = {**noted["splits"], split: entry}
    ordered = {name: splits[name] for name in official.SPLITS if name in splits}
    atomic.write(folder / TEXT_FILE, _text(ordered))
    atomic.write(folder / JSON_FILE, json.dumps({**noted, "splits": ordered}, indent=1))


def _text(splits: dict[str, Any]) -> str:
    parts = [
        "# Notes of NSynth",
        f"Made by {official.PUBLISHER}, licence: {official.LICENCE}. When you publish something about it, cite:",
        f"> {official.CITATION}",
        "The records are those of the official files, byte for byte. Written by `nsynth download`.",
    ]
    for entry in splits.values():
        how = "the whole file"
        if not entry["whole"]:
            how = f"records at {entry['places']:,} evenly spread places, seed {entry['seed']}"
        facts = [
            f"- from: {entry['url']} ({entry['size']:,} bytes, version {entry['version'] or 'not stated'})"
        ]
        facts.append(f"- taken: {how}, {entry['downloaded']}")
        if entry["damaged"]:
            what = "damaged, and there as they are" if entry["whole"] else "left out"
            facts.append(f"- {what}: {entry['damaged']} records that are damaged in the official file")
        counted = "\n".join(coverage.lines(entry["coverage"]))
        parts += [f"## {entry['file']}", "\n".join(facts), f"```\n{counted}\n```"]
    return "\n\n".join(parts) + "\n"
