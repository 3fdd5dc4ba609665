"""Batches are weighted random draws from files that are sorted by family."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

import nsynth
from tests.trainer.conftest import SPECTROGRAM, write_notes
from trainer import index
from trainer.heads import GROUP, LABEL
from trainer.input import draw, draw_probabilities, evaluation_batches, steps_per_epoch, training_batches
from trainer.options import AugmentOptions, AuxiliaryOptions
from transform import codec, features

pytestmark = pytest.mark.slow

BATCH = 16
# Two families twelvefold apart, and instruments ninefold apart within the larger one.
UNEVEN = {
    "bass_synthetic_000": 180,
    "bass_synthetic_001": 20,
    "reed_acoustic_000": 10,
    "reed_acoustic_001": 6,
}


@pytest.fixture(scope="module")
def uneven(tmp_path_factory) -> index.NoteIndex:
    pattern = write_notes(tmp_path_factory.mktemp("uneven"), UNEVEN)
    return index.scan(index.expand([pattern]), SPECTROGRAM)


@pytest.fixture
def plain(recipe):
    """The recipe without augmentation: batches hold the notes as they are stored."""
    return recipe.model_copy(update={"augment": AugmentOptions.off(), "balance": 1.0})


def drawn(notes: index.NoteIndex, epochs: int, balance: float, seed: int = 0) -> np.ndarray:
    """Positions of the notes of some epochs, [batches, BATCH]."""
    cumulated = tf.cumsum(draw_probabilities(notes, balance))
    steps = range(epochs * steps_per_epoch(notes, BATCH))
    traced = tf.function(lambda step: draw(step, cumulated, BATCH, seed))
    return np.stack([traced(tf.constant(step, tf.int64)).numpy() for step in steps])


def spread_of_families(batches: np.ndarray, share: np.ndarray) -> float:
    """Pearson's statistic of families per batch against the multinomial expectation, over its degrees of freedom.

    It is 1 for independent draws, and BATCH times as much or so where a batch holds one family.
    """
    present = share > 0
    counts = np.stack([np.bincount(row, minlength=len(nsynth.FAMILIES)) for row in batches])[:, present]
    expected = BATCH * share[present]
    return float(((counts - expected) ** 2 / expected).sum() / (len(batches) * (present.sum() - 1)))


def test_families_per_batch_are_spread_as_in_independent_draws(train):
    share = np.bincount(train.family) / len(train)
    batches = train.family[drawn(train, epochs=30, balance=1.0)]
    degrees = len(batches) * (len(share) - 1)
    low, high = stats.chi2.ppf([0.001, 0.999], degrees) / degrees
    # Draws without repetition are a little more even than independent ones: 1 - (batch - 1) / (notes - 1).
    evener = 1 - (BATCH - 1) / (len(train) - 1)
    assert low * evener < spread_of_families(batches, share) < high
    in_file_order = train.family[: len(train) // BATCH * BATCH].reshape(-1, BATCH)
    assert spread_of_families(in_file_order, share) > 5 * high


def test_successive_batches_are_not_alike(train):
    families = train.family[drawn(train, epochs=30, balance=1.0)]
    of_first_family = (families == 0).sum(axis=1)
    correlation = np.corrcoef(of_first_family[:-1], of_first_family[1:])[0, 1]
    assert abs(correlation) < 4 / np.sqrt(len(families))


def test_an_epoch_draws_each_note_once_where_all_are_alike(train):
    assert len(train) % BATCH == 0
    first, second = drawn(train, epochs=2, balance=1.0).reshape(2, -1)
    np.testing.assert_array_equal(np.sort(first), np.arange(len(train)))
    np.testing.assert_array_equal(np.sort(second), np.arange(len(train)))
    assert (first != second).mean() > 0.9


def test_another_seed_is_another_order(train):
    assert (drawn(train, 1, 1.0, seed=0) != drawn(train, 1, 1.0, seed=1)).mean() > 0.9


@pytest.mark.parametrize("balance", [1.0, 0.5, 0.0])
def test_families_and_instruments_are_drawn_by_the_power_of_their_count(uneven, balance):
    counts = np.array([UNEVEN[name] for name in uneven.instruments], float)
    families = np.array([200.0, 16.0]) ** balance
    families /= families.sum()
    within = counts**balance
    wanted = np.concatenate(
        [families[0] * within[:2] / within[:2].sum(), families[1] * within[2:] / within[2:].sum()]
    )
    batches = drawn(uneven, epochs=20, balance=balance)
    share = np.bincount(uneven.instrument[batches.ravel()], minlength=4) / batches.size
    np.testing.assert_allclose(share, wanted, atol=0.005)


def test_targets_belong_to_the_note_beside_them(uneven, plain):
    stored = codec.parse_batch(
        next(iter(tf.data.TFRecordDataset(list(uneven.files)).batch(len(uneven)))), SPECTROGRAM
    )
    position = {note.tobytes(): i for i, note in enumerate(stored[features.LOG_MEL].numpy())}
    seen = 0
    for log_mel, targets in training_batches(uneven, plain, SPECTROGRAM).take(5):
        for row, note in enumerate(log_mel.numpy()):
            i = position[note.tobytes()]
            assert targets[LABEL][row].numpy().argmax() == stored[features.LABEL_ID][i]
            assert targets["source"][row].numpy().argmax() == stored[features.OPTIONAL["source"]][i]
            assert targets["pitch"][row].numpy().argmax() == stored[features.OPTIONAL["pitch"]][i]
            assert targets[GROUP][row].numpy().argmax() == uneven.instrument[i]
            seen += 1
    assert seen == 5 * BATCH


def test_the_label_is_learned_half_from_the_teachers(uneven, plain):
    answers = np.random.default_rng(0).dirichlet(np.ones(len(nsynth.CLASSES)), len(uneven)).astype(np.float32)
    labels = [targets[LABEL].numpy() for _, targets in training_batches(uneven, plain, SPECTROGRAM).take(3)]
    taught = training_batches(uneven, plain, SPECTROGRAM, answers=answers).take(3)
    cumulated = tf.cumsum(draw_probabilities(uneven, plain.balance))
    for step, (_, targets) in enumerate(taught):
        drawn = draw(tf.constant(step, tf.int64), cumulated, plain.batch_size, plain.seed).numpy()
        np.testing.assert_allclose(targets[LABEL], (labels[step] + answers[drawn]) / 2, atol=1e-6)


def test_only_the_targets_of_active_heads_are_made(uneven, plain):
    auxiliary = AuxiliaryOptions(instrument=0, source=0.1, pitch=0)
    _, targets = next(
        iter(training_batches(uneven, plain.model_copy(update={"auxiliary": auxiliary}), SPECTROGRAM))
    )
    assert set(targets) == {LABEL, "source"}


def test_batches_from_a_later_step_are_those_an_undisturbed_training_sees(uneven, recipe):
    whole = training_batches(uneven, recipe, SPECTROGRAM).take(6)
    late = training_batches(uneven, recipe, SPECTROGRAM, first_step=4).take(2)
    for (expected, expected_targets), (log_mel, targets) in zip(
        itertools.islice(whole, 4, None), late, strict=True
    ):
        np.testing.assert_array_equal(log_mel, expected)
        for head, target in targets.items():
            np.testing.assert_array_equal(target, expected_targets[head])


def test_evaluation_sees_the_notes_in_order(uneven):
    batches = list(evaluation_batches(uneven, BATCH, SPECTROGRAM))
    families = np.concatenate([target.numpy().argmax(axis=1) for _, target in batches])
    np.testing.assert_array_equal(families[: len(uneven)], uneven.family)


def test_the_last_batch_of_an_evaluation_is_as_large_as_the_others(uneven):
    """With several devices one would be left without a note otherwise, which Keras does not bear."""
    assert len(uneven) % BATCH
    assert {len(log_mel) for log_mel, _ in evaluation_batches(uneven, BATCH, SPECTROGRAM)} == {BATCH}
    more_than_all = evaluation_batches(uneven, 2 * len(uneven) + 1, SPECTROGRAM)
    assert [len(log_mel) for log_mel, _ in more_than_all] == [2 * len(uneven) + 1]


def test_nothing_in_the_input_keeps_tensorflow_from_preparing_notes_in_parallel(uneven, recipe):
    """Where ops have to repeat, tf.data makes every stage sequential behind a function with a stateful op."""

    def functions(dataset):
        yield from dataset._functions()
        for earlier in dataset._inputs():
            yield from functions(earlier)

    ops = [
        op
        for function in functions(training_batches(uneven, recipe, SPECTROGRAM))
        for op in function.function.graph.get_operations()
    ]
    assert len(ops) > 100
    assert {op.type for op in ops if op.op_def.is_stateful} == set()
