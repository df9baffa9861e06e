"""Stage one of the mini model: a small Llama from scratch, on prose without headings."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medllm import files
from medllm.reference import ReferenceCard

from medtrain import corpus, tokenizer, training
from medtrain.progress import ProgressView
from medtrain.settings import ScratchRecipe

LOG = "log.json"
"""The trainer's log, in the folder of what it trained."""


def records(cards: Sequence[ReferenceCard]) -> list[corpus.Prose]:
    """All pre-training records; TRL adds BOS and EOS."""
    of_cards = [
        record for card in cards for record in (*corpus.prose(card), *corpus.prose_answers(card))
    ]
    return of_cards + corpus.words_of_the_form()


def build_model(recipe: ScratchRecipe, mini: Any) -> Any:
    """A LlamaForCausalLM with random weights in the recipe's shape."""
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = recipe.model
    return LlamaForCausalLM(
        LlamaConfig(
            hidden_size=shape.hidden,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.heads,
            intermediate_size=shape.ffn,
            vocab_size=len(mini),
            max_position_embeddings=shape.context,
            tie_word_embeddings=True,
            bos_token_id=mini.bos_token_id,
            eos_token_id=mini.eos_token_id,
            pad_token_id=mini.pad_token_id,
        )
    )


def run(recipe: ScratchRecipe, cards: Sequence[ReferenceCard], work: Path, base: Path) -> None:
    """Trains the base model and saves it, tokenizer included, into `base`.

    Args:
        recipe: shape and settings.
        cards: all cards; every split is read, as prose.
        work: folder of the checkpoints.
        base: target folder; it appears only when it is whole.
    """
    from datasets import Dataset
    from transformers import set_seed
    from trl import SFTTrainer

    set_seed(recipe.seed)
    # The tuning's texts are in the vocabulary too, headings included, so that a card is short.
    prose = [text for card in cards for text in corpus.prose(card)]
    learned = [text["prompt"] + text["completion"] for text in prose]
    learned += [card.text for card in cards if card.split != "test"]
    learned += [question for card in cards for question in corpus.questions(card)]
    mini = tokenizer.train(learned, recipe.model.vocabulary, recipe.model.context)
    trainer = SFTTrainer(
        model=build_model(recipe, mini),
        args=training.config(recipe.pretrain, work, recipe.seed, recipe.model.context),
        train_dataset=Dataset.from_list(records(cards)),
        processing_class=mini,
        callbacks=[ProgressView("pre-training")],
    )
    training.check_examples(trainer, mini.eos_token_id)
    log = training.fit(trainer, work)
    save_whole(trainer.model, mini, log, base)


def save_whole(model: Any, mini: Any, log: list[dict[str, Any]], target: Path) -> None:
    """Saves model, tokenizer and the trainer's log beside `target`, then gives them its name."""
    part = target.with_name(f".{target.name}.part")
    model.save_pretrained(part)
    mini.save_pretrained(part)
    files.write_json(part / LOG, log)
    part.rename(target)


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The trainer's log of what `save_whole` saved."""
    log: list[dict[str, Any]] = json.loads((folder / LOG).read_text("utf-8"))
    return log
