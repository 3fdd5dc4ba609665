"""Who trains on what: cross-validation over recording groups, and whole SoundFonts held out."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

import nsynth
from benchmarks.study.notes import Notes, Set, lineage

FOLDS = 4
CURVE = (0.25, 0.5)  # shares of the train groups on the learning curve; the whole is the fold itself
_CHOICE_PARTS = 3
_DEV_PARTS = 8  # one part in so many of what is trained on is dev, for early stopping


@dataclass(frozen=True)
class Fold:
    """Positions of notes, int [n] each; no recording group is in two of train, dev and test.

    Attributes:
      name: for the results.
      notes: to learn from.
      train: which of them to learn from.
      dev: which to choose an epoch by; contenders without epochs learn from it too.
      test: to be judged on, other positions among the same notes or notes of another corpus.
    """

    name: str
    notes: Notes
    train: np.ndarray
    dev: np.ndarray
    test: Set

    @property
    def known(self) -> np.ndarray:
        """Train and dev."""
        return np.concatenate([self.train, self.dev])

    @property
    def fingerprint(self) -> str:
        """Hash of who is where among the notes."""
        test = self.test.chosen if self.test.notes is self.notes else np.arange(0)
        parts = (np.sort(part).astype("<i8").tobytes() for part in (self.train, self.dev, test))
        return hashlib.sha256(b"|".join(parts)).hexdigest()[:16]


def cross_validation(notes: Notes) -> list[Fold]:
    """FOLDS folds; each instrument is tested in one of them, families are spread evenly."""
    everything = np.arange(len(notes))
    return [
        _with_dev(f"fold{number}", notes, np.setdiff1d(everything, test), Set(f"fold{number}", notes, test))
        for number, test in enumerate(_parts(notes, everything, FOLDS))
    ]


def held_out(font: str, lessons: Notes, tested: Notes, among: np.ndarray | None = None) -> Fold:
    """Test on a font's notes. No recording that they are made of is learned from, in whatever font.

    Args:
      font: name.
      lessons: to learn from.
      tested: where the font's notes to test on are.
      among: use these positions of both alone, which are one then.
    """
    mine, others = tested.font == font, lessons.font != font
    if among is not None:
        allowed = np.isin(np.arange(len(lessons)), among)
        mine, others = mine & allowed, others & allowed
    known = np.flatnonzero(others & ~np.isin(lessons.group, tested.group[mine]))
    return _with_dev(font, lessons, known, Set(f"{lineage(font)} held out", tested, np.flatnonzero(mine)))


def learning_curve(fold: Fold) -> list[Fold]:
    """Return the same fold with fewer instruments to learn from."""
    curve = []
    for share in CURVE:
        train, dev = (_parts(fold.notes, part, round(1 / share))[0] for part in (fold.train, fold.dev))
        curve.append(replace(fold, name=f"{fold.name}-{share:.0%}", train=train, dev=dev))
    return curve


def choosing(fold: Fold) -> list[Fold]:
    """Return what to choose a recipe on, inside of what a fold trains on, so that nobody chooses on what it reports.

    A third of it held out by recording group; the SoundFont that least of it comes from held out.
    """
    notes, known = fold.notes, np.sort(fold.known)
    fonts, counts = np.unique(notes.font[known], return_counts=True)
    third = _parts(notes, fold.known, _CHOICE_PARTS)[0]
    return [
        _with_dev("choice", notes, np.setdiff1d(fold.known, third), Set("by group", notes, third)),
        held_out(str(fonts[np.argmin(counts)]), notes, notes, among=known),
    ]


def _with_dev(name: str, notes: Notes, known: np.ndarray, test: Set) -> Fold:
    """Take dev off what is known: of the parts, one with the most families."""
    parts = _parts(notes, known, _DEV_PARTS)
    dev = max(parts, key=lambda part: (len(np.unique(notes.family[part])), -len(part)))
    return Fold(name, notes, np.setdiff1d(known, dev), dev, test)


def _parts(notes: Notes, among: np.ndarray, parts: int) -> list[np.ndarray]:
    """Deal the notes at `among` by recording group into parts that have about as much of each family.

    The groups that make out most of a family choose first, each the part in which its families are scarcest.
    """
    groups, group = np.unique(notes.group[among], return_inverse=True)
    shares = np.zeros((len(groups), len(nsynth.FAMILIES)))
    np.add.at(shares, (group, notes.family[among]), 1)
    shares /= np.maximum(shares.sum(axis=0), 1)
    dealt = np.zeros((parts, shares.shape[1]))
    part_of = np.zeros(len(groups), int)
    for number in np.argsort(-shares.max(axis=1), kind="stable"):
        part_of[number] = np.argmin(dealt @ shares[number])
        dealt[part_of[number]] += shares[number]
    return [among[part_of[group] == part] for part in range(parts)]
