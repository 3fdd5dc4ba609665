"""What a stand-in for the pipeline answers to a round, and configurations of rounds."""

from pipeline.retrain.options import RetrainOptions

PUSHED = {"ending": "pushed", "words": "better", "version": 7, "run": "r", "accuracy": 0.5}
KEPT = {"ending": "kept", "words": "not better"}
PASSING = {"ending": "passing", "words": "disk full"}
FAILED = {"ending": "failed", "words": "a bug"}


def refuse(span: int) -> dict:
    return {"ending": "refused", "words": "one family only", "refused": span}


def changed(config, **options):
    retrain = RetrainOptions.model_validate(config.retrain.model_dump() | options)
    return config.model_copy(update={"retrain": retrain})
