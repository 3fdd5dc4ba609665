"""AllBlessed: one blessing out of two, for a model that is judged on more than one set of notes."""

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import ModelBlessing

from components.blessing import BASELINE_URI, CURRENT_URI, bless_model, is_blessed


@component
def AllBlessed(
    first: InputArtifact[ModelBlessing],
    second: InputArtifact[ModelBlessing],
    blessing: OutputArtifact[ModelBlessing],
) -> None:
    """Blesses if both inputs do; which models were judged is taken from the first."""
    models = {
        key: first.get_string_custom_property(key)
        for key in (CURRENT_URI, BASELINE_URI)
        if first.has_custom_property(key)
    }
    bless_model(blessing, is_blessed(first) and is_blessed(second), models)
