"""Who trains on what: cross-validation over recording groups, and whole SoundFont lineages held out."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

import nsynth
from benchmarks.accuracy_data import Notes

FOLDS = 4
CURVE = (0.25, 0.5)  # shares of the train groups on the learning curve; the whole is the fold itself
HELD_OUT = "without-"  # begins the name of a fold that a SoundFont is held out of
_CHOICE_PARTS = 3
_DEV_PARTS = 8  # one part in so many of what is trained on is dev, for early stopping


@dataclass(frozen=True)
class Fold:
    """Positions of notes, int [n] each; no recording group is in two of the three.

    Attributes:
      name: for the results.
      train: to learn from.
      dev: to choose an epoch by; contenders without epochs learn from it too.
      test: to be judged on.
    """

    name: str
    train: np.ndarray
    dev: np.ndarray
    test: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Train and dev."""
        return np.concatenate([self.train, self.dev])

    @property
    def fingerprint(self) -> str:
        """Hash of who is where."""
        parts = (np.sort(part).astype("<i8").tobytes() for part in (self.train, self.dev, self.test))
        return hashlib.sha256(b"|".join(parts)).hexdigest()[:16]


def cross_validation(notes: Notes) -> list[Fold]:
    """FOLDS folds; each instrument is tested in one of them, families are spread evenly."""
    everything = np.arange(len(notes))
    return [
        with_dev(f"fold{number}", notes, np.setdiff1d(everything, test), test)
        for number, test in enumerate(_parts(notes, everything, FOLDS))
    ]


def lineages(notes: Notes) -> list[Fold]:
    """Return each SoundFont held out in turn."""
    everything = np.arange(len(notes))
    return [_without(notes, everything, font, f"{HELD_OUT}{font}") for font in dict.fromkeys(notes.font)]


def learning_curve(notes: Notes, fold: Fold) -> list[Fold]:
    """Return the same fold with fewer instruments to learn from."""
    curve = []
    for share in CURVE:
        train, dev = (_parts(notes, part, round(1 / share))[0] for part in (fold.train, fold.dev))
        curve.append(replace(fold, name=f"{fold.name}-{share:.0%}", train=train, dev=dev))
    return curve


def choosing(notes: Notes, fold: Fold) -> list[Fold]:
    """Return what to choose a recipe on, inside of what a fold trains on, so that nobody chooses on what it reports.

    A third of it held out by recording group; the SoundFont that least of it comes from held out.
    """
    known = np.sort(fold.known)
    fonts, counts = np.unique(notes.font[known], return_counts=True)
    font = fonts[np.argmin(counts)]
    third = _parts(notes, fold.known, _CHOICE_PARTS)[0]
    return [
        with_dev(f"{fold.name}-choice", notes, np.setdiff1d(fold.known, third), third),
        _without(notes, known, font, f"{fold.name}-choice-{HELD_OUT}{font}"),
    ]


def _without(notes: Notes, among: np.ndarray, font: str, name: str) -> Fold:
    """Test on a SoundFont's notes at `among`; a group that reaches into it is not trained on either."""
    of_font = notes.font[among] == font
    test = among[of_font]
    known = among[~of_font & ~np.isin(notes.group[among], notes.group[test])]
    return with_dev(name, notes, known, test)


def with_dev(name: str, notes: Notes, known: np.ndarray, test: np.ndarray) -> Fold:
    """Take dev off what is known: of the parts, one with the most families."""
    parts = _parts(notes, known, _DEV_PARTS)
    dev = max(parts, key=lambda part: (len(np.unique(notes.family[part])), -len(part)))
    return Fold(name, np.setdiff1d(known, dev), dev, test)


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
