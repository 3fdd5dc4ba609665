"""Runs an exported model as a stranger would: in a process that knows TensorFlow and nothing of this project.

Started as a file by `python -I`, it reads one JSON object from standard input and writes one to standard output;
docs/trust.md tells the keys. It measures and judges nothing. It must not import anything of ours.
"""

import functools
import gc
import json
import os
import resource
import sys
import time

import numpy as np

# TensorFlow would import Keras, but a server has none: the model must do without.
sys.modules["keras"] = None  # type: ignore[assignment]

gc.disable()  # it would look for garbage among what is imported, again and again
import tensorflow as tf  # noqa: E402

gc.freeze()
gc.enable()

MODULES_OF_TENSORFLOW = set(sys.modules)
AUDIO = "audio"
BATCH_SIZE = 32
STATUS = "/proc/self/status"


def main() -> None:
    """Measure everything that was asked for."""
    asked = json.load(sys.stdin)
    memory_before = _peak_memory_mb()
    start = time.perf_counter()
    model = Model(asked["model"])
    loaded_s = time.perf_counter() - start
    examples = np.array([r.numpy() for r in tf.data.TFRecordDataset(asked["notes"])], object)
    spec = {AUDIO: tf.io.FixedLenFeature([asked["samples"]], tf.float32)}
    audio = tf.io.parse_example(examples, spec)[AUDIO].numpy()
    expected = np.array(asked["probabilities"], np.float32)
    inputs = {"serving_default": {"examples": examples}, "serving_waveform": {AUDIO: audio}}
    result = {
        "tensorflow": tf.__version__,
        "load_s": loaded_s,
        "signatures": {name: _describe(definition) for name, definition in model.signatures.items()},
        "answers": {
            name: _compare(model, name, values, expected, asked["label"])
            for name, values in inputs.items()
            if name in model.signatures
        },
        "transform_finite": _transform(model, examples),
        "hostile": _hostile(model, examples, audio),
        "latency": {size: _latency(model, audio, int(size), calls) for size, calls in asked["calls"].items()},
        "memory_mb": {"before": memory_before, "peak": _peak_memory_mb()},
        "foreign_modules": sorted(set(asked["foreign"]) & set(sys.modules) - MODULES_OF_TENSORFLOW),
    }
    json.dump(result, sys.stdout)


class Model:
    """The model in a session, restored by the names of its variables, as TensorFlow Serving does it.

    `tf.saved_model.load` restores them by their place in the object graph, and loads models that no server can use.
    """

    def __init__(self, folder: str):
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph)
        with graph.as_default():
            loaded = tf.compat.v1.saved_model.load(self._session, ["serve"], folder)
        self.signatures = {name: it for name, it in loaded.signature_def.items() if it.inputs}

    def ask(self, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Run a signature."""
        definition = self.signatures[signature]
        fed = {definition.inputs[name].name: values for name, values in inputs.items()}
        return self._session.run({name: info.name for name, info in definition.outputs.items()}, fed)


def _describe(definition) -> dict:
    return {
        "inputs": {name: _specification(info) for name, info in definition.inputs.items()},
        "outputs": {name: _specification(info) for name, info in definition.outputs.items()},
    }


def _specification(info) -> list:
    shape = tf.TensorShape(info.tensor_shape)
    return [tf.dtypes.as_dtype(info.dtype).name, shape.as_list() if shape.rank is not None else None]


def _compare(model: Model, signature: str, inputs: dict, expected: np.ndarray, label: str) -> dict:
    """Return the answers to all notes, beside the probabilities that the gate judged."""
    (name, values), parts = *inputs.items(), []
    for first in range(0, len(values), BATCH_SIZE):
        parts.append(model.ask(signature, **{name: values[first : first + BATCH_SIZE]}))
    answer = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    probabilities = answer.get("probabilities", np.full((len(values), 0), np.nan))
    same_shape = probabilities.shape == expected.shape
    ids = answer.get(f"{label}_id")
    return {
        "notes": len(values),
        "shape": list(probabilities.shape),
        "max_difference": float(np.abs(probabilities - expected).max()) if same_shape else None,
        "max_sum_error": float(np.abs(probabilities.sum(1) - 1).max()),
        "family_is_the_likeliest": bool(
            ids is not None and same_shape and (ids == probabilities.argmax(1)).all()
        ),
        "families": sorted({name.decode() for name in answer[label]}) if label in answer else [],
    }


def _transform(model, examples: np.ndarray) -> bool | None:
    """Return whether all that `transform_features` yields is finite; none if there is no such signature."""
    if "transform_features" not in model.signatures:
        return None
    outputs = model.ask("transform_features", examples=examples[:BATCH_SIZE]).values()
    return all(bool(np.isfinite(values).all()) for values in outputs if values.dtype.kind == "f")


def _hostile(model, examples: np.ndarray, audio: np.ndarray) -> dict[str, str]:
    """Return what becomes of requests that no model can answer: `error: ...`, or what was answered instead."""
    serve, parse = (functools.partial(model.ask, name) for name in ("serving_waveform", "serving_default"))
    poisoned = audio[:2].copy()
    poisoned[1, audio.shape[1] // 2] = np.nan
    alone = serve(audio=audio[:1])["probabilities"]

    def neighbour_of_nan() -> str:
        answer = serve(audio=poisoned)["probabilities"]
        if not np.allclose(answer[0], alone[0], atol=1e-3):
            return "spoiled: the other note in the batch is answered otherwise"
        return "finite" if np.isfinite(answer[1]).all() else "not a number, for that note alone"

    requests = {
        "empty batch": lambda: _rows(serve(audio=audio[:0])),
        "empty batch of examples": lambda: _rows(parse(examples=examples[:0])),
        "a sample that is not a number": neighbour_of_nan,
        "one sample short": lambda: _rows(serve(audio=audio[:1, :-1])),
        "bytes that are no Example": lambda: _rows(
            parse(examples=np.array([b"\xff\x00 no example"], object))
        ),
        "an Example without audio": lambda: _rows(parse(examples=np.array([b""], object))),
    }
    outcome = {}
    for name, call in requests.items():
        try:
            outcome[name] = call()
        except Exception as error:  # any error is a fine answer; a crash of the process is not
            outcome[name] = f"error: {type(error).__name__}"
    return outcome


def _rows(answer: dict) -> str:
    return f"{len(answer['probabilities'])} answers"


def _latency(model, audio: np.ndarray, size: int, calls: int) -> dict[str, float]:
    """Return milliseconds per call of `serving_waveform` with `size` notes."""
    batch, times = np.resize(audio, (size, audio.shape[1])), []
    for _ in range(calls + 1):
        start = time.perf_counter()
        model.ask("serving_waveform", audio=batch)
        times.append(1000 * (time.perf_counter() - start))
    p50, p95 = np.percentile(times[1:], [50, 95])
    return {"p50_ms": float(p50), "p95_ms": float(p95), "calls": calls}


def _peak_memory_mb() -> float:
    """Return the largest resident memory of this process. The system's other figure starts at that of its parent."""
    if os.path.exists(STATUS):
        with open(STATUS) as file:
            for line in file:
                if line.startswith("VmHWM:"):  # not in gVisor
                    return int(line.split()[1]) / 1024
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / (1024 * 1024 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
