"""What a training would take: parameters, memory, time and disk, before it is run."""

from medtrain.estimate.estimate import Estimate, Texts, of_recipe, texts_of

__all__ = ["Estimate", "Texts", "of_recipe", "texts_of"]
