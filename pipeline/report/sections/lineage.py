"""From the source files to the pushed version: steps in their order, artifacts as lines between them.

Drawn like a map of tram lines: each artifact runs down a lane from the step that made it to those that read it.
Artifacts of one step with the same readers share a lane.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.ranges import in_short
from pipeline.report.html import duration
from pipeline.report.outcome import pushed_version
from pipeline.report.record import Absent, RunRecord
from pipeline.step_names import without_span

ROW, LANE, BOX, MARGIN = 54, 15, 400, 8  # heights and widths, px
_COLOURS = {"Examples": "blue", "TransformGraph": "blue", "Model": "orange", "PushedModel": "orange"}
_SOURCES, _EARLIER, _VERSION = "source files", "earlier runs", "version"


@dataclass(frozen=True)
class Row:
    """A station: a step, the source files, earlier runs, or the pushed version."""

    name: str
    remark: str
    made: str
    tooltip: str
    state: str


@dataclass(frozen=True)
class Line:
    """Artifacts that run from row `start` to the rows `stops`, in `lane`, 0 being next to the boxes."""

    lane: int
    start: int
    stops: tuple[int, ...]
    kind: str
    colour: str
    names: str


def build(record: RunRecord) -> dict[str, Any]:
    """Return rows, lines and the size of the drawing."""
    if not record.run.steps:
        raise Absent("No step has started.")
    rows = _rows(record)
    lines = _lines(record, [row.name for row in rows])
    left = MARGIN + LANE * (1 + max((line.lane for line in lines), default=0)) + 12
    return {
        "rows": rows,
        "artifacts": _artifacts(record),
        "lines": [{"line": line, "path": _path(line, left)} for line in lines],
        "left": left,
        "width": left + BOX + MARGIN,
        "height": ROW * len(rows),
        "row": ROW,
        "box": BOX,
    }


def _rows(record: RunRecord) -> list[Row]:
    rows = [_source_row(record)]
    foreign = _foreign(record)
    if foreign:
        rows.append(Row(_EARLIER, "", _named(foreign.values()), "", "CACHED"))
    for step in record.run.steps.values():
        made = [output for outputs in step.outputs.values() for output in outputs]
        code = step.properties.get("code")
        rows.append(
            Row(
                step.name,
                "cached" if step.state == "CACHED" else f"{step.state.lower()}, {duration(step.seconds)}",
                _named(made),
                "\n".join(
                    [f"execution {step.execution_id}"]
                    + ([f"code {code}"] if code else [])
                    + [f"{output.type} #{output.id}: {output.uri}" for output in made]
                ),
                step.state,
            )
        )
    version = pushed_version(record)
    if version:
        rows.append(Row(_VERSION, version, str(record.config.models), "", "COMPLETE"))
    return rows


def _artifacts(record: RunRecord) -> list[dict[str, Any]]:
    """Return every artifact that the run made or reused, by id."""
    rows = [
        {"id": output.id, "type": output.type, "key": key, "step": step.name, "uri": output.uri}
        for step in record.run.steps.values()
        for key, outputs in step.outputs.items()
        for output in outputs
    ]
    return sorted(rows, key=lambda row: row["id"])


def _source_row(record: RunRecord) -> Row:
    try:
        account = record.account()
    except Absent:
        return Row(_SOURCES, "", record.ran_with.input_base, "", "COMPLETE")
    files = account.files
    names = ", ".join(Path(file.path).name for file in files[:3]) + (" …" if len(files) > 3 else "")
    tooltip = "\n".join(f"{file.path}: {file.notes:,} notes" for file in files)
    return Row(_SOURCES, f"{account.notes_in:,} notes", names, tooltip, "COMPLETE")


def _foreign(record: RunRecord) -> dict[int, Any]:
    """Return the artifacts that the run read but did not make or reuse in a step of its own."""
    steps = record.run.steps.values()
    made = {output.id for step in steps for outputs in step.outputs.values() for output in outputs}
    return {
        output.id: output
        for step in steps
        for outputs in step.inputs.values()
        for output in outputs
        if output.id not in made
    }


def _named(outputs: Any) -> str:
    """Return type and ids: `Examples #306–309 · TransformGraph #310`."""
    ids: dict[str, list[int]] = defaultdict(list)
    for output in sorted(outputs, key=lambda output: output.id):
        ids[output.type].append(output.id)
    return " · ".join(f"{kind} #{in_short(numbers)}" for kind, numbers in ids.items())


def _lines(record: RunRecord, names: list[str]) -> list[Line]:
    """Return all lines with their lanes: the ones that end soonest lie next to the boxes."""
    place = {name: index for index, name in enumerate(names)}
    maker = {
        output.id: (place[step.name], output)
        for step in record.run.steps.values()
        for outputs in step.outputs.values()
        for output in outputs
    }
    maker |= {i: (place[_EARLIER], output) for i, output in _foreign(record).items()}
    readers: dict[int, set[int]] = defaultdict(set)
    for step in record.run.steps.values():
        for outputs in step.inputs.values():
            for output in outputs:
                readers[output.id].add(place[step.name])
    bundles: dict[tuple[int, tuple[int, ...]], list[Any]] = defaultdict(list)
    for artifact, (start, output) in maker.items():
        follows = {place[_VERSION]} if _VERSION in place and output.type == "PushedModel" else set()
        stops = tuple(sorted(stop for stop in readers[artifact] | follows if stop > start))
        if stops:
            bundles[start, stops].append(output)
    sources = tuple(index for name, index in place.items() if without_span(name) == "ExampleGen")
    lines = [(0, sources, "source files", "blue", "source files")] if sources else []
    for (start, stops), outputs in bundles.items():
        kinds = [output.type for output in outputs]
        colour = next((_COLOURS[kind] for kind in kinds if kind in _COLOURS), "muted")
        lines.append((start, stops, kinds[0], colour, _named(outputs)))
    return sorted(_in_lanes(lines), key=lambda line: ("muted", "orange", "blue").index(line.colour))


def _in_lanes(lines: list[tuple[int, tuple[int, ...], str, str, str]]) -> list[Line]:
    """Give each line the innermost lane that is free from its start to its last stop; short lines first."""
    taken: list[list[tuple[int, int]]] = []
    placed = []
    for start, stops, kind, colour, names in sorted(lines, key=lambda line: (line[1][-1] - line[0], line[0])):
        end = stops[-1]
        lane = next(
            (i for i, spans in enumerate(taken) if all(end < low or start > high for low, high in spans)),
            len(taken),
        )
        if lane == len(taken):
            taken.append([])
        taken[lane].append((start, end))
        placed.append(Line(lane, start, stops, kind, colour, names))
    return placed


def _path(line: Line, left: int) -> str:
    """Return an SVG path: out of the box, down the lane, a branch into each reader."""
    x, bend = left - 12 - LANE * line.lane - LANE / 2, 8
    top = ROW * line.start + ROW / 2 + 8
    parts = [f"M{left},{top} H{x + bend} Q{x},{top} {x},{top + bend}"]
    bottom = ROW * line.stops[-1] + ROW / 2 - 8
    parts.append(f"V{bottom - bend}")
    for stop in line.stops:
        y = ROW * stop + ROW / 2 - 8
        parts.append(f"M{x},{y - bend} Q{x},{y} {x + bend},{y} H{left - 2}")
    return " ".join(parts)
