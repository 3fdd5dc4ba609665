"""What the canary's probe measures of a model without a fault."""

MEASURED = {
    "signatures": {
        name: {
            "inputs": {key: [kind, [None]]},
            "outputs": {
                "probabilities": ["float32", [None, 11]],
                "family": ["string", [None]],
                "family_id": ["int64", [None]],
            },
        }
        for name, key, kind in (
            ("serving_default", "examples", "string"),
            ("serving_waveform", "audio", "float32"),
        )
    },
    "answers": {
        "serving_waveform": {
            "notes": 4,
            "shape": [4, 11],
            "max_difference": 0.0,
            "max_sum_error": 0.0,
            "family_is_the_likeliest": True,
            "families": ["bass"],
        }
    },
    "transform_finite": None,
    "hostile": {"a sample that is not a number": "error: InvalidArgumentError"},
    "latency": {"1": {"p50_ms": 1.0, "p95_ms": 2.0, "calls": 3}},
    "memory_mb": {"before": 500.0, "peak": 600.0},
    "foreign_modules": [],
}
