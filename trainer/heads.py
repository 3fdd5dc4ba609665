"""Names of the network's outputs. Imports nothing heavy."""

import nsynth
from trainer.options import RecipeOptions

LABEL = nsynth.LABEL.word  # the served head; the others are for training only
GROUP = nsynth.GROUP.word

NOVELTY = "novelty"
"""Output of the exported model, not of the network: how much a sound differs from the train notes; see
trainer/novelty.py."""

CLASSES = {
    **{category.word: len(category.names) for category in nsynth.CATEGORIES},
    **{number.word: len(number.values) for number in nsynth.NUMBERS},
}
"""Auxiliary head, except the group's → number of its classes."""


def active_heads(recipe: RecipeOptions) -> tuple[str, ...]:
    """Return the label first, then each auxiliary head whose weight is not 0."""
    weights = recipe.auxiliary.model_dump()
    return (LABEL, *(head for head in nsynth.HEADS if weights[head]))


def loss_weights(recipe: RecipeOptions) -> dict[str, float]:
    """Return the weight of each active head in the loss."""
    return {head: recipe.auxiliary.model_dump().get(head, 1.0) for head in active_heads(recipe)}
