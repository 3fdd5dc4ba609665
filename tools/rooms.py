"""Draws which package imports which, from the import rules in pyproject.toml and from the code itself.

python -m tools.rooms          # print the picture (Mermaid)
python -m tools.rooms --write  # put it into docs/architecture.md
"""

import re
import sys
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import grimp

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
_PICTURE = re.compile(r"```mermaid\n.*?```\n", re.DOTALL)

Arrow = tuple[str, str]


def layers() -> list[list[str]]:
    """Return the rooms, highest layer first, as the contract `rooms` lists them."""
    contract = _contract()
    return [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]


def exceptions() -> list[Arrow]:
    """Return the imports that the contract allows by name."""
    pairs = (line.partition("->") for line in _contract()["ignore_imports"])
    return [(importer.strip(), imported.strip()) for importer, _, imported in pairs]


def arrows(rooms: Iterable[str]) -> set[Arrow]:
    """Return the pairs of rooms of which the first imports the second, the exceptions left out."""
    settings = _settings()
    graph = grimp.build_graph(*settings["root_packages"], exclude_type_checking_imports=True)
    for importer, imported in exceptions():
        graph.remove_import(importer=importer, imported=imported)
    rooms = sorted(rooms, key=len, reverse=True)

    def room_of(module: str) -> str | None:
        return next((room for room in rooms if f"{module}.".startswith(f"{room}.")), None)

    found = set()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            above, below = room_of(module), room_of(imported)
            if above and below and above != below:
                found.add((above, below))
    return found


def reduced(pairs: set[Arrow]) -> set[Arrow]:
    """Only the arrows that do not follow from others: A → C goes where A → B → C is there."""

    def reaches(start: str, end: str, without: Arrow) -> bool:
        ahead, seen = [start], {start}
        while ahead:
            here = ahead.pop()
            following = {b for a, b in pairs if a == here and (a, b) != without} - seen
            if end in following:
                return True
            seen |= following
            ahead += following
        return False

    return {(a, b) for a, b in pairs if not reaches(a, b, without=(a, b))}


def picture() -> str:
    """Return the picture as a Mermaid block."""
    floors = layers()
    rooms = [room for floor in floors for room in floor]
    lines = ["```mermaid", "flowchart TD"]
    lines += [f'    {_id(room)}["{room.replace(".", "/")}"]' for room in rooms]
    lines += [f"    {_id(a)} --> {_id(b)}" for a, b in sorted(reduced(arrows(rooms)), key=_by_floor(rooms))]
    for importer, imported in exceptions():
        lines.append(f"    {_id(importer)} -. options .-> {_id(imported.rpartition('.')[0])}")
    return "\n".join([*lines, "```", ""])


def _by_floor(rooms: list[str]) -> Callable[[Arrow], tuple[int, int]]:
    return lambda arrow: (rooms.index(arrow[0]), rooms.index(arrow[1]))


def _id(room: str) -> str:
    return room.replace(".", "_")


def _settings() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]


def _contract() -> dict[str, Any]:
    return next(contract for contract in _settings()["contracts"] if contract["id"] == "rooms")


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(_PICTURE.sub(lambda _: picture(), PAGE.read_text(), count=1))
    else:
        print(picture(), end="")
