"""Names of the network's outputs. Imports nothing heavy."""

from trainer.options import RecipeOptions

FAMILY = "family"  # the answer; the others are heads for training only
INSTRUMENT = "instrument"
SOURCE = "source"
PITCH = "pitch"


def active_heads(recipe: RecipeOptions) -> tuple[str, ...]:
    """The family first, then each auxiliary head whose weight is not 0."""
    weights = recipe.auxiliary.model_dump()
    return (FAMILY, *(head for head in (INSTRUMENT, SOURCE, PITCH) if weights[head]))


def loss_weights(recipe: RecipeOptions) -> dict[str, float]:
    """Weight of each active head in the loss."""
    return {head: recipe.auxiliary.model_dump().get(head, 1.0) for head in active_heads(recipe)}
