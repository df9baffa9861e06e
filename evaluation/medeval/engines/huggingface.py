"""Hugging Face weights, with or without an adapter that is not merged."""

from pathlib import Path
from typing import Any

import numpy as np
from medllm.engines.protocol import ModelInfo
from medllm.engines.sampling import Logits
from medllm.errors import MissingExtraError, ModelError
from medllm.prompts import Message

from medeval.engines.in_process import InProcessEngine, open_tokenizer, unreadable
from medeval.engines.model_folder import folder_hash

_CONTEXT = 4096


class HuggingFaceEngine(InProcessEngine):
    """A decoder or an encoder-decoder in transformers; safetensors only.

    Args:
        folder: of the model.
        adapter: folder of a PEFT adapter for it.
    """

    def __init__(self, folder: Path, adapter: Path | None = None) -> None:
        super().__init__()
        self._folder, self._adapter = folder, adapter
        self._model: Any = None
        self._cache: Any = None
        self._encoded: Any = None
        self._is_encoder_decoder = False

    def open_model(self) -> ModelInfo:
        """Loads the weights in 32 bits on a processor, in 16 on a GPU."""
        try:
            import torch
            from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM
        except ImportError as error:
            raise MissingExtraError("train", "transformers") from error
        if not (self._folder / "config.json").is_file():
            raise ModelError(
                f"{self._folder} holds no config.json.", "Name a folder of Hugging Face weights."
            )
        self.tokenizer = open_tokenizer(self._folder)
        has_gpu = torch.cuda.is_available()
        try:
            config = AutoConfig.from_pretrained(self._folder, local_files_only=True)
            self._is_encoder_decoder = bool(config.is_encoder_decoder)
            kind = AutoModelForSeq2SeqLM if self._is_encoder_decoder else AutoModelForCausalLM
            model = kind.from_pretrained(
                self._folder,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.bfloat16 if has_gpu else torch.float32,
            )
            self._model = self._adapted(model).eval().to("cuda" if has_gpu else "cpu")
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise unreadable(self._folder, error) from error
        return self._describe(config)

    def _adapted(self, model: Any) -> Any:
        if self._adapter is None:
            return model
        if not (self._adapter / "adapter_config.json").is_file():
            raise ModelError(f"{self._adapter} holds no adapter.", "Name a folder that PEFT wrote.")
        if not (self._adapter / "adapter_model.safetensors").is_file():
            raise ModelError(
                f"{self._adapter} holds no adapter_model.safetensors.",
                "Save the adapter as safetensors.",
            )
        from peft import PeftModel

        return PeftModel.from_pretrained(model, str(self._adapter))

    def _describe(self, config: Any) -> ModelInfo:
        template = self.tokenizer.chat_template or ""
        adapter = f"+{self._adapter.name}" if self._adapter else ""
        hashes = [folder_hash(f) for f in (self._folder, self._adapter) if f]
        context = getattr(config, "max_position_embeddings", None) or _CONTEXT
        return ModelInfo(
            name=f"{self._folder.name}{adapter}",
            path=str(self._folder),
            sha256="+".join(hashes),
            size_bytes=sum(f.stat().st_size for f in self._folder.glob("*.safetensors")),
            architecture=str(config.model_type),
            quantization=str(next(self._model.parameters()).dtype).removeprefix("torch."),
            parameters=sum(p.numel() for p in self._model.parameters()),
            context=min(int(context), _CONTEXT),
            template_has_system=not template or "system" in template,
        )

    def begin(self, prompt: list[int]) -> Logits:
        """Processes the prompt; where there is an encoder, that reads it."""
        import torch

        self._cache = None
        if self._is_encoder_decoder:
            with torch.inference_mode():
                self._encoded = self._model.get_encoder()(input_ids=self._tensor(prompt))
            return self._forward([self._model.config.decoder_start_token_id])
        return self._forward(prompt)

    def extend(self, token: int) -> Logits:
        """One step with the cache."""
        return self._forward([token])

    def continuation(
        self, messages: tuple[Message, ...], prompt: list[int], text: str
    ) -> list[int]:
        """As in the base; for an encoder-decoder the answer is a text of its own."""
        if self._is_encoder_decoder:
            return self.tokens(text)
        return super().continuation(messages, prompt, text)

    def ends(self) -> frozenset[int]:
        """The tokenizer's end, and those that the generation settings name."""
        named = getattr(self._model.generation_config, "eos_token_id", None)
        listed = named if isinstance(named, list) else [named]
        return super().ends() | frozenset(token for token in listed if token is not None)

    def close(self) -> None:
        """Stops, and frees what the last request kept."""
        super().close()
        self._cache = self._encoded = None

    def _tensor(self, tokens: list[int]) -> Any:
        import torch

        return torch.tensor([tokens], device=self._model.device)

    def _forward(self, tokens: list[int]) -> Logits:
        import torch

        inputs: dict[str, Any] = {"past_key_values": self._cache, "use_cache": True}
        if self._is_encoder_decoder:
            inputs |= {"encoder_outputs": self._encoded, "decoder_input_ids": self._tensor(tokens)}
        else:
            inputs["input_ids"] = self._tensor(tokens)
        with torch.inference_mode():
            found = self._model(**inputs)
        self._cache = found.past_key_values
        return np.ascontiguousarray(found.logits[0, -1].float().cpu().numpy())
