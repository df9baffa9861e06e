"""An embedder from a folder with Hugging Face weights, such as a MiniLM or any BERT."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from medllm.errors import ModelError

from medeval.metrics.embedding import Embedded, embedded

_LONGEST = 512


class FolderEmbedder:
    """Last hidden states of an encoder.

    Args:
        folder: config.json, tokenizer and safetensors.

    Raises:
        ModelError: it can't be loaded.
    """

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        self.name = folder.name
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model = AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
            ).eval()
        except (OSError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:160]
            raise ModelError(
                f"The embedder {folder} can't be loaded: {reason}", "Name another folder."
            ) from error

    def embed(self, texts: Sequence[str]) -> list[Embedded]:
        """Vectors of each text; of at most 512 tokens of it."""
        import torch

        limit = min(_LONGEST, getattr(self._model.config, "max_position_embeddings", _LONGEST))
        found = []
        for text in texts:
            batch = self._tokenizer(
                text,
                return_tensors="pt",
                truncation=True,
                max_length=limit,
                return_special_tokens_mask=True,
            )
            marks = batch.pop("special_tokens_mask")[0].numpy().astype(bool)
            with torch.inference_mode():
                hidden = self._model(**batch).last_hidden_state[0].numpy()
            found.append(embedded(hidden, np.logical_not(marks)))
        return found
