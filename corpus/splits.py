"""Deals recording groups to train, valid and test.

A group goes to one split whole, so no recording and no instrument is heard in two of them.
"""

import random
from collections import Counter
from collections.abc import Iterable, Mapping

SPLITS = ("train", "valid", "test")
HELD_OUT = {"valid": 0.3, "test": 0.15}
"""Split → about this share of a family's instruments, and one group at the least.

Valid is what the gate judges on: with one instrument of a family its interval would span half the scale.
"""


def deal(members: Iterable[tuple[int, str]], seed: int) -> dict[int, str]:
    """Choose a split for each recording group.

    A family with three groups or more gets one in each split, unless they are bound to other families' groups.
    The groups that make out most of a family stay in train where there is a choice.

    Args:
        members: (group, family) of each instrument.
        seed: which groups are held out, among those equally fit.

    Returns:
        Split by group.
    """
    sizes: dict[int, Counter[str]] = {}
    for group, family in members:
        sizes.setdefault(group, Counter())[family] += 1
    families = Counter(family for counts in sizes.values() for family in counts)
    totals = Counter[str]()
    for counts in sizes.values():
        totals.update(counts)
    order = list(sizes)
    random.Random(f"{seed} splits").shuffle(order)
    order.sort(key=lambda group: max(count / totals[family] for family, count in sizes[group].items()))

    chosen: dict[int, str] = {}
    for family in sorted(families, key=lambda name: (families[name], name)):  # the scarcest choose first
        for split in HELD_OUT:
            found = _first_fit(family, split, order, sizes, chosen)
            if found is not None:
                chosen[found] = split
    for split, share in HELD_OUT.items():
        held = Counter[str]()
        for group, its_split in chosen.items():
            if its_split == split:
                held.update(sizes[group])
        for group in order:
            room = all(held[f] + n <= share * totals[f] for f, n in sizes[group].items())
            if group not in chosen and room and _leaves_train(group, sizes, chosen):
                chosen[group] = split
                held.update(sizes[group])
    return {group: chosen.get(group, "train") for group in sizes}


def missing(members: Iterable[tuple[int, str]], splits: Mapping[int, str]) -> dict[str, list[str]]:
    """Return splits that a family has no instrument in, by family; families that are everywhere are left out."""
    present: dict[str, set[str]] = {}
    for group, family in members:
        present.setdefault(family, set()).add(splits[group])
    return {
        family: [split for split in SPLITS if split not in have]
        for family, have in sorted(present.items())
        if len(have) < len(SPLITS)
    }


def _first_fit(
    family: str, split: str, order: list[int], sizes: Mapping[int, Counter[str]], chosen: Mapping[int, str]
) -> int | None:
    """Return the first free group to give a family its place in a split; None if it has one or none is left."""
    if any(its_split == split and family in sizes[group] for group, its_split in chosen.items()):
        return None
    free = (group for group in order if group not in chosen and family in sizes[group])
    return next((group for group in free if _leaves_train(group, sizes, chosen)), None)


def _leaves_train(group: int, sizes: Mapping[int, Counter[str]], chosen: Mapping[int, str]) -> bool:
    """Return whether each family of the group keeps another one for train."""
    return all(
        any(family in sizes[other] for other in sizes if other != group and other not in chosen)
        for family in sizes[group]
    )
