"""What both stages of training share: TRL's trainer, set up, watched, stopped and resumed."""

import json
import math
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from medllm.errors import InterruptedRunError, MedLLMError, StorageError, TrainingError

from medtrain import totals
from medtrain.device import bf16_is_fast, ran_out_of_memory
from medtrain.settings import StageSettings

# malloc.h of glibc
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> None:
    """Tells glibc to keep freed memory, since each step asks for the same amounts again.

    And torch to ask for large pages, before it asks for the first: what begins at their bounds
    leaves fewer gaps, and the peak is lower than with THP_MEM_ALLOC_ENABLE=0 in the environment
    (benchmarks/estimate.py prints it).
    """
    import ctypes
    import os

    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_TRIM_THRESHOLD, 1 << 30)
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30)


def config(stage: StageSettings, folder: Path, seed: int, context: int) -> Any:
    """SFTConfig of one stage. TRL's defaults that hurt without a GPU are set otherwise.

    Args:
        stage: the recipe's settings.
        folder: where checkpoints go.
        seed: of the order of the examples and of dropout.
        context: longest example in tokens.
    """
    import torch
    from trl import SFTConfig

    cuda = torch.cuda.is_available()
    return SFTConfig(
        output_dir=str(folder),
        seed=seed,
        data_seed=seed,
        num_train_epochs=stage.epochs,
        max_steps=stage.max_steps,
        learning_rate=stage.learning_rate,
        per_device_train_batch_size=stage.batch,
        warmup_steps=stage.warmup,
        weight_decay=stage.weight_decay,
        lr_scheduler_type="cosine",
        max_length=context,
        # On a CPU each new shape of a batch costs a new kernel.
        pad_to_multiple_of=32,
        train_sampling_strategy="group_by_length",
        bf16=bf16_is_fast(),
        use_cpu=not cuda,
        gradient_checkpointing=False,
        dataloader_pin_memory=cuda,
        logging_steps=10,
        save_steps=stage.save_steps,
        save_total_limit=2,
        disable_tqdm=True,
        report_to="none",
    )


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint; one that a crash left half-written is removed."""
    if not folder.is_dir():
        return None
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    while found:
        newest = found.pop()
        if _is_whole(newest):
            return newest
        shutil.rmtree(newest, ignore_errors=True)  # another process may do so too
    return None


def _is_whole(checkpoint: Path) -> bool:
    """Whether the file that the trainer writes last is there to its end; a full disk cuts it."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return True


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """The first Ctrl-C (or SIGTERM) sets the event, the second one ends the program."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_HALVE = "Halve the batch (--set tune.batch=…) and run the same command again."


def fit(
    trainer: Any, folder: Path, remedy: Callable[[], str] = lambda: _HALVE
) -> list[dict[str, Any]]:
    """Trains to the end, from the last checkpoint where there is one.

    Args:
        trainer: ready to train.
        folder: of the checkpoints.
        remedy: gives what to do when memory runs out.

    Returns:
        The log: a dict a line with `step`, `loss`, `mean_token_accuracy` and more.

    Raises:
        InterruptedRunError: Ctrl-C; the checkpoint is written.
        StorageError: the disk is full.
        TrainingError: memory ran out, or the loss is not a number.
    """
    from transformers import PrinterCallback, TrainerCallback

    trainer.remove_callback(PrinterCallback)
    with stop_on_interrupt() as asked:

        class StopOnInterrupt(TrainerCallback):  # type: ignore[misc]
            def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
                if _any_process(asked.is_set()):
                    asked.set()
                    control.should_save = True
                    control.should_training_stop = True
                return control

            def on_log(
                self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any
            ) -> None:
                if not math.isfinite(logs.get("loss", 0.0)):
                    raise TrainingError(
                        f"The loss is no number any more, at step {state.global_step}.",
                        "In a new folder, try a lower learning rate or a longer warm-up.",
                    )

        trainer.add_callback(StopOnInterrupt())
        checkpoint = last_checkpoint(folder)
        trainer.add_callback(totals.kept(trainer, checkpoint))
        try:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        except Exception as error:
            if foreseen := foresee(error, folder, remedy):
                raise foreseen from error
            raise
        finally:
            _close_views(trainer)
        if asked.is_set() and trainer.state.global_step < trainer.state.max_steps:
            raise InterruptedRunError("Stopped; a checkpoint is kept.", "The same command goes on.")
    return list(trainer.state.log_history)


def _close_views(trainer: Any) -> None:
    """Gives the terminal back where training ended in the middle."""
    from medtrain.progress import ProgressView

    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, ProgressView):
            callback.close()


def _any_process(asked: bool) -> bool:
    """Whether any process of the training was asked, so that all of them stop at one step."""
    import torch

    if not torch.distributed.is_initialized():
        return asked
    device = "cuda" if torch.cuda.is_available() else "cpu"
    flag = torch.tensor(int(asked), device=device)
    torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX)
    return bool(flag.item())


def foresee(
    error: Exception, folder: Path, remedy: Callable[[], str] = lambda: _HALVE
) -> MedLLMError | None:
    """What a failure of training or of saving means to a user; None where that is not known."""
    told = str(error)
    # Torch and safetensors tell of a full disk in words of their own.
    if isinstance(error, OSError) or any(sign in told for sign in _DISK):
        reason = getattr(error, "strerror", None) or told.splitlines()[0]
        return StorageError(
            f"A checkpoint can't be written to {folder}: {reason}.",
            "Free some space; the same command goes on from the last one.",
        )
    if ran_out_of_memory(error):
        return TrainingError("Memory ran out in training.", remedy())
    return None


_DISK = ("os error 27", "os error 28", "PytorchStreamWriter", "unexpected pos")


def check_examples(trainer: Any, eos: int) -> None:
    """Refuses the silent mistakes of fine-tuning before the first step.

    Raises:
        TrainingError: no example is left, one has nothing to learn, two BOS, or
            the end of the answer is not learned.
    """
    data = trainer.train_dataset
    if len(data) == 0:
        raise TrainingError("No example is left to train on.", "Look at the data and max length.")
    batch = trainer.data_collator([data[i] for i in range(min(64, len(data)))])
    ids, labels = batch["input_ids"], batch["labels"]
    bos = trainer.processing_class.bos_token_id
    for row, learned in zip(ids, labels, strict=True):
        if int((learned != -100).sum()) == 0:
            raise TrainingError("An example has no token to learn: its answer was cut away.")
        if int((row == bos).sum()) != 1:
            raise TrainingError("An example does not begin with exactly one BOS token.")
        if int(learned[learned != -100][-1]) != eos:
            raise TrainingError("The end of an answer is not learned: it lacks its EOS token.")
