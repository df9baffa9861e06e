"""A training step on tensors that have shapes and no content: what it holds, what it computes.

The model is built in its true size without memory (torch's fake tensors), wrapped as in
training, and taken through forward, loss and backward; each tensor that appears is counted
while it lives. So activations come from the model's own code, with adapters, checkpointing
and TRL's head in tiles, and not from a rule about one architecture.
"""

import warnings
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from medllm.errors import UsageError

from medtrain import weights
from medtrain.device import Precision
from medtrain.settings import TuningRecipe


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes through the model at once."""

    rows: int
    tokens: int
    """Of each row, padding included; of an encoder-decoder, of each question."""
    answer: int = 0
    """Of an encoder-decoder: tokens of each answer."""

    @property
    def all_tokens(self) -> int:
        """Of all rows."""
        return self.rows * (self.tokens + self.answer)


@dataclass(frozen=True, slots=True)
class Step:
    """What a batch takes."""

    activations: int
    """Bytes at the peak, beside weights and gradients, without the logits."""
    logits: int
    """Bytes of what has the vocabulary's width, at the peak."""
    flops: float
    """Operations of forward and backward, multiplication and addition counted apart."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Parameters."""

    total: int
    trained: int
    frozen_linear: int
    """In the base's linear layers but the output: those that 4 bits would hold."""
    largest_linear: int
    """In the largest of these layers."""


def counts(recipe: TuningRecipe, config: Any) -> Counts:
    """Parameters of base and adapter, counted on torch's meta device."""
    import torch

    with torch.device("meta"):
        model = build(recipe, config)
    share = weights.share_of(model)
    output = model.get_output_embeddings()
    linear = [
        module.weight.numel()
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not output and "lora_" not in name
    ]
    return Counts(share.total, share.trained, sum(linear), max(linear))


def step(
    recipe: TuningRecipe, config: Any, batch: Batch, precision: Precision, checkpointing: bool
) -> Step:
    """One batch through forward, loss and backward.

    Args:
        recipe: what is trained.
        config: the base's.
        batch: its size.
        precision: of the computation.
        checkpointing: whether activations are computed twice.
    """
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
    with torch.device("meta"):
        model = build(recipe, config)
    if precision in kinds and recipe.lora is not None:
        # As in training: what is frozen in 16 bits, what is trained in 32.
        model = model.to(kinds[precision])
    weights.keep_trained_in_full(model)
    with FakeTensorMode(allow_non_fake_inputs=True), torch.device("cpu"):
        _put_on_processor(model)
        if checkpointing:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # newer transformers has another name for it
                model.gradient_checkpointing_enable({"use_reentrant": False})
            model.enable_input_require_grads()
        model.train()
        inputs = inputs_of(batch)
        for _ in range(1 if recipe.train.accumulation == 1 else 2):
            # From the second batch of a step on, gradients are there from the beginning.
            counter = _counter(config, model, inputs)
            with counter, torch.autocast("cpu", kinds.get(precision), precision in kinds):
                loss = loss_of(model, inputs)
                loss.backward()
            del loss
        gradients = _gradients(model) if recipe.train.accumulation == 1 else 0
    return Step(
        max(0, counter.peak - counter.logits_at_peak - gradients),
        counter.logits_at_peak,
        float(counter.flops),
    )


def build(recipe: TuningRecipe, config: Any) -> Any:
    """The model as it is trained, with random weights, or none where the device is meta.

    Raises:
        UsageError: the base is not of the recipe's kind.
        DataError: it lacks a layer that the recipe names.
    """
    from copy import deepcopy

    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM
    from trl.trainer.utils import add_fused_lm_head

    causal = recipe.kind == "causal"
    shape = deepcopy(config)
    shape.dtype = "float32"
    try:
        model = (AutoModelForCausalLM if causal else AutoModelForSeq2SeqLM).from_config(shape)
    except (ValueError, KeyError) as error:
        raise UsageError(
            f"The base {recipe.base} ({config.model_type}) can't be trained as {recipe.kind}.",
            "Set kind, or take another base.",
        ) from error
    if getattr(config, "scale_decoder_outputs", None) is False:
        # T5 1.1 and Flan-T5 come with an output of their own, and are so loaded.
        model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.lm_head.weight))
    if causal:
        add_fused_lm_head(model, outputs=("log_probs", "entropy", "is_top1"))
    if recipe.lora is None:
        return model
    # PiSSA begins with the weights' singular parts, and there are no weights here.
    lora = recipe.lora.model_copy(update={"init": "default"})
    return weights.add_adapter(model, lora, recipe.kind)


def inputs_of(batch: Batch) -> dict[str, Any]:
    """Token ids and labels of that size, as the trainer hands them to the model."""
    import torch

    rows = torch.ones(batch.rows, batch.tokens, dtype=torch.long)
    if batch.answer:
        return {"input_ids": rows, "labels": torch.ones(batch.rows, batch.answer, dtype=torch.long)}
    return {"input_ids": rows, "labels": rows, "fused_lm_head": True}


def loss_of(model: Any, inputs: dict[str, Any]) -> Any:
    """The loss of a batch, computed as the trainer does."""
    return model(**inputs, use_cache=False).loss


def _put_on_processor(model: Any) -> None:
    """Gives a model of the meta device tensors on the CPU; shared ones stay shared."""
    import torch

    made: dict[int, Any] = {}
    for module in model.modules():
        for name, old in [*module._parameters.items(), *module._buffers.items()]:
            if old is None:
                continue
            if id(old) not in made:
                new = torch.empty(old.shape, dtype=old.dtype)
                whole = isinstance(old, torch.nn.Parameter)
                made[id(old)] = torch.nn.Parameter(new, old.requires_grad) if whole else new
            group = module._parameters if name in module._parameters else module._buffers
            group[name] = made[id(old)]


def _gradients(model: Any) -> int:
    return sum(p.grad.untyped_storage().nbytes() for p in model.parameters() if p.grad is not None)


def _counter(config: Any, model: Any, inputs: dict[str, Any]) -> Any:
    """A mode of torch that counts the bytes of new tensors while they live, and operations."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves
    from torch.utils.flop_counter import flop_registry

    # TRL's head computes the logits in tiles of at most so many columns.
    widths = {config.get_text_config().vocab_size, 32768}

    class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.flops = self.now = self.peak = 0
            self.logits = self.logits_at_peak = 0
            # A view of what was there before is nothing new.
            self.living = _storages([*model.parameters(), *model.buffers(), *inputs.values()])

        def __torch_dispatch__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            out = function(*args, **(kwargs or {}))
            if count := flop_registry.get(function._overloadpacket):
                self.flops += count(*args, **(kwargs or {}), out_val=out)
            elif "scaled_dot_product" in str(function) and "backward" not in str(function):
                self.flops += _attention(args[0], args[1])
            elif "scaled_dot_product" in str(function):
                self.flops += 5 * _attention(args[1], args[2]) // 2
            for tensor in tree_leaves(out):
                self._take(tensor)
            return out

        def _take(self, tensor: Any) -> None:
            if not hasattr(tensor, "untyped_storage"):
                return
            storage = tensor.untyped_storage()
            key, size = storage._cdata, storage.nbytes()
            if key in self.living:
                return
            wide = size if tensor.dim() > 1 and tensor.shape[-1] in widths else 0
            self.living.add(key)
            self.now += size
            self.logits += wide
            if self.now > self.peak:
                self.peak, self.logits_at_peak = self.now, self.logits
            weakref.finalize(storage, self._drop, key, size, wide)

        def _drop(self, key: int, size: int, wide: int) -> None:
            self.living.discard(key)
            self.now -= size
            self.logits -= wide

    return Counter()


def _storages(tensors: Iterable[Any]) -> set[int]:
    """Which memory tensors and their gradients stand in."""
    found = set()
    for tensor in tensors:
        for one in (tensor, getattr(tensor, "grad", None)):
            storage = getattr(one, "untyped_storage", None)
            if storage is not None:
                found.add(storage()._cdata)
    return found


def _attention(query: Any, key: Any) -> int:
    """Two products of rows times columns for each head: 4 * B * H * T * S * D."""
    rows, heads, length, width = query.shape
    return int(4 * rows * heads * length * key.shape[-2] * width)
