"""The training as a whole: learns, repeats bit for bit, survives a kill, spans devices, stops when it should."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nsynth
from tests.trainer.conftest import SPECTROGRAM
from trainer import devices
from trainer.checkpoint import Checkpoint
from trainer.fit import Trained, compile_model, fit
from trainer.index import NoteIndex
from trainer.input import evaluation_batches
from trainer.model import build, with_auxiliary_heads
from trainer.options import RecipeOptions
from trainer.progress import Judge, Progress
from trainer.state import Epoch, State

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

CHILD = """
import json, logging, sys
from pathlib import Path
import tensorflow as tf
told = json.loads(sys.argv[1])
if told["devices"] > 1:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * told["devices"])
from trainer import devices, index
from trainer.checkpoint import Checkpoint
from trainer.fit import fit
from trainer.options import RecipeOptions
from transform.options import SpectrogramOptions
logging.basicConfig(level="INFO", stream=sys.stdout, format="%(message)s")
spectrogram = SpectrogramOptions(**told["spectrogram"])
train, dev = (index.scan(told[split], spectrogram) for split in ("train", "dev"))
print("replicas", devices.strategy().num_replicas_in_sync, flush=True)
fit(RecipeOptions(**told["recipe"]), spectrogram, train, dev, Checkpoint(Path(told["checkpoints"]), test=1))
"""


@pytest.fixture(scope="module")
def trained(train: NoteIndex, dev: NoteIndex, tmp_path_factory) -> Trained:
    """An undisturbed training."""
    return fit(
        recipe_of(), SPECTROGRAM, train, dev, Checkpoint(tmp_path_factory.mktemp("undisturbed"), test=1)
    )


def recipe_of(**changes) -> RecipeOptions:
    augment = {"shift_bins": 1, "shift_frames": 2, "mask_bins": 2, "mask_frames": 4}
    told = {"size": "tiny", "epochs": 6, "batch_size": 16, "learning_rate": 1e-2, "ema_momentum": 0.8}
    return RecipeOptions(**(told | {"augment": augment} | changes))


def test_without_auxiliary_heads_the_figures_are_still_the_familys(train, dev, tmp_path):
    recipe = recipe_of(epochs=1, auxiliary={"instrument": 0, "source": 0, "pitch": 0})
    [epoch] = fit(recipe, SPECTROGRAM, train, dev, Checkpoint(tmp_path, test=1)).state.history
    assert 0 <= epoch.accuracy <= 1
    assert epoch.loss > 0


def child(train: NoteIndex, dev: NoteIndex, recipe: RecipeOptions, checkpoints: Path, devices: int = 1):
    """Starts a training in a process of its own."""
    import json

    told = {
        "train": train.files, "dev": dev.files, "checkpoints": str(checkpoints), "devices": devices,
        "recipe": recipe.model_dump(), "spectrogram": SPECTROGRAM.model_dump(),
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, json.dumps(told)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_it_learns_families_that_unseen_instruments_share(trained):
    history = trained.state.history
    assert history[-1].dev_accuracy > 0.6  # 11 families: 0.09 by chance
    assert history[-1].loss < history[0].loss
    assert trained.state.kept_epoch >= 1 + int(np.argmin([row.dev_loss for row in history]))


def test_the_figures_on_dev_are_those_of_the_kept_weights(trained, dev):
    batches = evaluation_batches(dev, len(dev), SPECTROGRAM)
    [notes, truth] = next(iter(batches))
    probabilities, families = trained.network.predict(notes, verbose=0), np.asarray(truth).argmax(axis=1)
    loss = -np.log(probabilities[np.arange(len(families)), families])
    kept = trained.state.history[trained.state.kept_epoch - 1]
    assert kept.dev_accuracy == pytest.approx((probabilities.argmax(axis=1) == families).mean())
    by_instrument = [loss[dev.instrument == number].mean() for number in range(len(dev.instruments))]
    assert kept.dev_loss == pytest.approx(np.mean(by_instrument), rel=1e-4)


def test_the_rate_warms_up_and_falls_to_nothing(trained):
    rates = [row.learning_rate for row in trained.state.history]
    assert rates[0] == pytest.approx(1e-2)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 1e-5


def test_killed_within_an_epoch_and_resumed_it_ends_with_the_same_weights(
    train, dev, trained, tmp_path, caplog
):
    caplog.set_level("INFO", "trainer")
    process = child(train, dev, recipe_of(), tmp_path)
    for line in process.stdout:
        if line.startswith("epoch   2"):
            process.send_signal(signal.SIGKILL)
            break
    process.stdout.read()
    assert process.wait() == -signal.SIGKILL
    checkpoint = Checkpoint(tmp_path, test=1)
    resumed = fit(recipe_of(), SPECTROGRAM, train, dev, checkpoint)
    assert "going on after epoch" in caplog.text
    for mine, undisturbed in zip(resumed.network.get_weights(), trained.network.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, undisturbed)
    assert [r.dev_loss for r in resumed.state.history] == [r.dev_loss for r in trained.state.history]


def test_two_devices_train_the_same_way(train, dev, trained, tmp_path):
    process = child(train, dev, recipe_of(), tmp_path, devices=2)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert "replicas 2" in said
    last = said.strip().splitlines()[-1]
    assert last.startswith("epoch   6/6")
    accuracy = float(last.split("dev loss")[1].split("accuracy")[1].split()[0])
    # Batch statistics are each device's own, so that numbers differ in the digits, not in kind.
    assert accuracy > trained.state.history[-1].dev_accuracy - 0.25


def test_a_last_batch_of_fewer_notes_than_devices_is_judged(train, dev, tmp_path):
    batch_size = next(size for size in range(9, len(dev), 3) if len(dev) % size in (1, 2))
    process = child(train, dev, recipe_of(epochs=1, batch_size=batch_size), tmp_path, devices=3)
    said, _ = process.communicate()
    assert process.returncode == 0, said


@pytest.mark.parametrize(("count", "each"), [(1, 1.0), (4, 0.25)])
def test_the_gradient_of_a_step_is_clipped_whatever_the_devices(count, each):
    network = build(recipe_of(), SPECTROGRAM.n_mels)
    model = with_auxiliary_heads(network, recipe_of(), 3)
    compile_model(model, recipe_of(clip_norm=1.0), per_epoch=2, replicas=count)
    assert model.optimizer.global_clipnorm == each


@pytest.mark.parametrize(("gpus", "named"), [(0, "float32"), (1, "mixed_float16"), (2, "mixed_bfloat16")])
def test_several_gpus_need_no_scaling_of_the_loss(gpus, named):
    assert devices.policy(gpus) == named


def test_weights_that_are_no_numbers_are_never_kept(dev, tmp_path):
    network = build(recipe_of(), SPECTROGRAM.n_mels)
    network.compile(jit_compile=False)
    network.set_weights([np.full_like(weight, np.nan) for weight in network.get_weights()])
    judge = Judge(network, dev, evaluation_batches(dev, 16, SPECTROGRAM))
    progress = Progress(judge, recipe_of(), 1, State(), Checkpoint(tmp_path, test=1))
    model = with_auxiliary_heads(network, recipe_of(), 3)
    compile_model(model, recipe_of(), per_epoch=2)
    model.optimizer.build(model.trainable_variables)
    progress.set_model(model)
    progress.on_epoch_begin(0)
    with pytest.raises(nsynth.UserError, match="diverged in epoch 1"):
        progress.on_epoch_end(0, {"loss": 1.0, "family_loss": 1.0, "family_accuracy": 0.5})
    assert progress.state == State()


def test_a_diverged_training_is_told_as_such(train, dev, tmp_path):
    wild = recipe_of(learning_rate=1e30, clip_norm=1e30, warmup_epochs=0, epochs=2)
    with pytest.raises(nsynth.UserError, match="diverged in epoch 1"):
        fit(wild, SPECTROGRAM, train, dev, Checkpoint(tmp_path, test=1))


@pytest.mark.parametrize(
    ("patience", "epochs_done", "kept", "finished"),
    [(2, 4, 3, False), (2, 4, 2, True), (0, 9, 1, False), (0, 10, 10, True), (20, 10, 10, True)],
)
def test_a_training_ends_with_its_epochs_or_its_patience(patience, epochs_done, kept, finished):
    row = Epoch(1, loss=1.0, accuracy=0.5, dev_loss=1.0, dev_accuracy=0.5, learning_rate=0.1, seconds=1.0,
                examples_per_second=1.0)  # fmt: skip
    state = State(history=[row] * epochs_done, kept_epoch=kept)
    recipe = recipe_of(patience=patience, epochs=10)
    assert Progress(None, recipe, 1, state, None).finished is finished
