"""What is publicly known of the official NSynth files: where they lie, how many notes they hold, how to cite them.

Sources: https://magenta.tensorflow.org/datasets/nsynth for the address, the licence, the splits and the notes of each
family in the whole dataset; the label statistics of the train and test files for these two; valid is the difference.
"""

BASE_URL = "http://download.magenta.tensorflow.org/datasets/nsynth"
SPLITS = ("train", "valid", "test")

FAMILIES = (
    "bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string", "synth_lead", "vocal",
)  # fmt: skip
"""In the order of the counts. Facts of the official files, whatever dataset this project is made for."""
_COUNTS = {
    "train": (65_474, 12_675, 8_773, 32_690, 51_821, 34_201, 34_477, 13_911, 19_474, 5_501, 10_208),
    "valid": (2_638, 886, 470, 2_081, 2_404, 663, 1_598, 720, 814, 0, 404),
    "test": (843, 269, 180, 652, 766, 202, 502, 235, 306, 0, 141),
}
FAMILY_NOTES = {split: dict(zip(FAMILIES, counts, strict=True)) for split, counts in _COUNTS.items()}
"""Notes of each family in each official file."""
NOTES = {split: sum(counts) for split, counts in _COUNTS.items()}
"""Notes of each official file."""
INSTRUMENTS = {"train": 953, "valid": 53, "test": 53}
"""Instruments of each official file; valid and test hold the same 53."""

LICENCE = "Creative Commons Attribution 4.0 International (CC BY 4.0)"
PUBLISHER = "Google Inc."
CITATION = (
    "Jesse Engel, Cinjon Resnick, Adam Roberts, Sander Dieleman, Douglas Eck, Karen Simonyan and Mohammad Norouzi: "
    "Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders. 2017. arXiv:1704.01279."
)


def file_name(split: str) -> str:
    """Name of a split's TFRecord file."""
    return f"nsynth-{split}.tfrecord"
