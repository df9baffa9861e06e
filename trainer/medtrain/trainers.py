"""TRL's and transformers' trainers, with batches of like length that don't depend on luck."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers import Seq2SeqTrainer, TrainerCallback
from trl import SFTTrainer

from medtrain.encoding import MASKED

_GROUP = 50
"""Steps whose examples are sorted by length together."""


class LengthGroups(Sampler[int]):
    """The examples in an order that puts those of like length into one step.

    The order follows from seed and epoch alone, and a step has the same examples whether one
    process takes them or several do. So a run that was resumed, and one on more devices, sees
    what an unbroken run on one sees.

    Args:
        lengths: tokens of each example.
        step: examples of a step, all devices and batches together.
        seed: of the order.
    """

    def __init__(self, lengths: Sequence[int], step: int, seed: int) -> None:
        self._lengths, self._step, self._seed = lengths, step, seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed + 1_000_003 * self.epoch)
        order = torch.randperm(len(self._lengths), generator=generator).tolist()
        size = self._step * _GROUP
        groups = [order[i : i + size] for i in range(0, len(order), size)]
        alike = [i for group in groups for i in sorted(group, key=self._length, reverse=True)]
        steps = [alike[i : i + self._step] for i in range(0, len(alike), self._step)]
        # The last step may be short, and stays last.
        whole = len(steps) - (len(steps[-1]) < self._step) if steps else 0
        places = torch.randperm(whole, generator=generator).tolist()
        # The longest comes first: if memory runs out, it does so at once.
        for place in sorted(places, key=lambda p: -self._length(steps[p][0]))[:1]:
            places.remove(place)
            places.insert(0, place)
        for place in places:
            yield from steps[place]
        for rest in steps[whole:]:
            yield from rest

    def _length(self, index: int) -> int:
        return self._lengths[index]


class _EpochOfSampler(TrainerCallback):  # type: ignore[misc]
    """Tells the sampler which epoch it is, a resumed one included."""

    def __init__(self, sampler: LengthGroups) -> None:
        self._sampler = sampler

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._sampler.epoch = int((state.epoch or 0) + 1e-6)


class Patience(TrainerCallback):  # type: ignore[misc]
    """Ends a training whose validation has not become better for a while.

    It counts in the log, which a checkpoint holds, and so goes on counting after a stop;
    transformers' own begins anew.

    Args:
        validations: without a better loss after which training ends.
    """

    def __init__(self, validations: int) -> None:
        self._validations = validations

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Ends a training that was ended before, and killed before its result was saved."""
        self._end(state, control)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Looks at the newest loss."""
        self._end(state, control)

    def _end(self, state: Any, control: Any) -> None:
        losses = [line["eval_loss"] for line in state.log_history if "eval_loss" in line]
        if losses and len(losses) - 1 - losses.index(min(losses)) >= self._validations:
            control.should_training_stop = True


class _Grouped:
    """Adds the order to a trainer."""

    def group(self: Any, lengths: Sequence[int]) -> None:
        """Has examples of like length batched together."""
        step = self.args.train_batch_size * self.args.gradient_accumulation_steps
        self.groups = LengthGroups(lengths, step * self.args.world_size, self.args.seed)
        self.add_callback(_EpochOfSampler(self.groups))

    def _get_train_sampler(self: Any, train_dataset: Any = None) -> Any:
        groups = getattr(self, "groups", None)
        return groups if groups is not None else super()._get_train_sampler(train_dataset)  # type: ignore[misc]


class CausalTrainer(_Grouped, SFTTrainer):  # type: ignore[misc]
    """Trains a decoder."""


class PairTrainer(_Grouped, Seq2SeqTrainer):  # type: ignore[misc]
    """Trains an encoder-decoder; logs tokens and their accuracy, as TRL does for a decoder."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._right: dict[str, list[float]] = {"train": [0, 0], "eval": [0, 0]}
        self._total_train_tokens = 0

    def compute_loss(
        self,
        model: Any,
        inputs: Any,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """The mean over all tokens of a step; what the model got right is counted on the way.

        An encoder-decoder gives the mean of one batch, and knows nothing of `num_items_in_batch`,
        by which transformers takes it to be scaled to the step: batches would be added up.
        """
        labels = inputs["labels"]
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True)
        learned = labels != MASKED
        if num_items_in_batch is not None:
            # Where the tokens of all processes are counted: their gradients are averaged later.
            together = self.args.average_tokens_across_devices
            share = learned.sum() / num_items_in_batch
            loss = loss * share * (self.accelerator.num_processes if together else 1)
        right = (outputs.logits.detach().argmax(dim=-1) == labels) & learned
        counts = torch.stack([right.sum(), learned.sum(), inputs["attention_mask"].sum()])
        found = self.accelerator.gather(counts[None]).sum(dim=0).tolist()
        tally = self._right["train" if model.training else "eval"]
        tally[0] += found[0]
        tally[1] += found[1]
        if model.training:
            self._total_train_tokens += found[1] + found[2]
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds accuracy and tokens."""
        is_eval = any(key.startswith("eval_") for key in logs)
        tally = self._right["eval" if is_eval else "train"]
        if tally[1]:
            prefix = "eval_" if is_eval else ""
            logs[f"{prefix}mean_token_accuracy"] = tally[0] / tally[1]
            logs["num_tokens"] = self._total_train_tokens
            tally[:] = [0, 0]
        super().log(logs, start_time)
