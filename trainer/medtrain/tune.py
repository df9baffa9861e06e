"""Stage two: a LoRA adapter that teaches the base model to answer in four parts."""

from collections.abc import Sequence
from pathlib import Path

from medllm.reference import ReferenceCard

from medtrain import corpus, training
from medtrain.pretrain import save_whole
from medtrain.progress import ProgressView
from medtrain.settings import ScratchRecipe


def run(
    recipe: ScratchRecipe, cards: Sequence[ReferenceCard], base: Path, work: Path, adapter: Path
) -> None:
    """Tunes on prompt and completion records, with the loss on the completion alone.

    Args:
        recipe: settings.
        cards: all cards; those of the test split are not read.
        base: folder of the base model.
        work: folder of the checkpoints.
        adapter: target folder; it appears only when it is whole.
    """
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
    from trl import SFTTrainer

    set_seed(recipe.seed)
    mini = AutoTokenizer.from_pretrained(base)
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(base, dtype="float32"),
        args=training.config(recipe.tune, work, recipe.seed, recipe.model.context),
        train_dataset=Dataset.from_list([dict(pair) for pair in corpus.pairs(cards)]),
        processing_class=mini,
        peft_config=LoraConfig(
            r=recipe.lora.r,
            lora_alpha=recipe.lora.alpha,
            lora_dropout=recipe.lora.dropout,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
        callbacks=[ProgressView("tuning")],
    )
    training.check_examples(trainer, mini.eos_token_id)
    log = training.fit(trainer, work)
    save_whole(trainer.model, mini, log, adapter)
