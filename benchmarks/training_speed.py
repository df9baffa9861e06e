"""Tokens a second in tuning: medtrain against a plain TRL and PEFT script.

    python benchmarks/training_speed.py

Same model (a random Llama), same LoRA, same records (parts of the built-in cards, so short
and long ones), same batch of 8, one epoch; each side is a process of its own, in turns; the
figure is the median. The plain script leaves SFTConfig at its defaults: examples padded as
they come, activations computed twice, bf16; only a processor it must be told of (use_cpu). A
second baseline has activations kept and the precision that medtrain chooses, so what is left
is batching alone. Tokens are those of the examples, padding is not counted. Target on two
cores: at least 1.4 times the defaults.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PLAIN = """
import json, sys
import torch
from datasets import Dataset
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer
base, records, out, settings = sys.argv[1:]
rows = [json.loads(line) for line in open(records, encoding="utf-8")]
data = [{"prompt": row["messages"][:-1], "completion": row["messages"][-1:]} for row in rows]
trainer = SFTTrainer(
    model=base,
    args=SFTConfig(
        output_dir=out, num_train_epochs=1, per_device_train_batch_size=8, learning_rate=2e-4,
        save_strategy="no", report_to="none", disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(), **json.loads(settings),
    ),
    train_dataset=Dataset.from_list(data),
    peft_config=LoraConfig(
        r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"
    ),
)
trainer.train()
log = {key: value for line in trainer.state.log_history for key, value in line.items()}
how = {"bf16": trainer.args.bf16, "checkpointing": trainer.args.gradient_checkpointing}
print("FIGURES", json.dumps({**log, **how}))
"""
RECIPE = """
name: speed
kind: causal
base: {base}
data: {{validation: 0}}
lora: {{r: 16, alpha: 32}}
train: {{epochs: 1, batch: 8, accumulation: 1, learning_rate: 2.0e-4, warmup: 0}}
"""


def write_base(folder: Path, hidden: int, layers: int) -> None:
    """A random Llama with a tokenizer learned from the cards."""
    import torch
    from medllm.reference import builtin_cards
    from medtrain import tokenizer
    from transformers import LlamaConfig, LlamaForCausalLM

    mini = tokenizer.train([card.text for card in builtin_cards()], 4096, 1024)
    torch.manual_seed(1)
    model = LlamaForCausalLM(
        LlamaConfig(
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=8,
            num_key_value_heads=8,
            intermediate_size=3 * hidden,
            vocab_size=len(mini),
            max_position_embeddings=1024,
            bos_token_id=mini.bos_token_id,
            eos_token_id=mini.eos_token_id,
            pad_token_id=mini.pad_token_id,
        )
    )
    model.save_pretrained(folder)
    mini.save_pretrained(folder)


def write_records(file: Path, count: int) -> None:
    """A definition, an explanation or a whole card for each of `count` questions."""
    from medllm.reference import builtin_cards

    with open(file, "w", encoding="utf-8") as stream:
        for number, card in enumerate(builtin_cards()[:count]):
            answer = (card.definition, card.explanation, card.definition, card.text)[number % 4]
            turns = [("user", f"What is {card.term}?"), ("assistant", answer)]
            chat = [{"role": role, "content": text} for role, text in turns]
            stream.write(json.dumps({"messages": chat}) + "\n")


def plain(work: Path, settings: dict[str, bool]) -> dict[str, float]:
    """Figures of the plain script."""
    arguments = [work / "base", work / "records.jsonl", work / "plain", json.dumps(settings)]
    done = _run([sys.executable, "-c", PLAIN, *map(str, arguments)])
    line = next(line for line in done.splitlines() if line.startswith("FIGURES "))
    figures: dict[str, float] = json.loads(line.removeprefix("FIGURES "))
    return figures


def ours(work: Path, number: int) -> dict[str, float]:
    """Figures of medtrain."""
    recipe, out = work / "speed.yaml", work / f"run-{number}"
    recipe.write_text(RECIPE.format(base=work / "base"))
    words = ["run", str(recipe), "--out", str(out), "--data", str(work / "records.jsonl")]
    _run([sys.executable, "-m", "medtrain", *words])
    figures: dict[str, float] = json.loads((out / "run.json").read_text())["metrics"]["tuning"]
    return figures


def _run(words: list[str]) -> str:
    place = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(words, capture_output=True, text=True, env=place, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return done.stdout


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--layers", type=int, default=8)
    chosen = parser.parse_args()
    from medtrain import device as devices

    bf16 = devices.bf16_is_fast()
    matched = {"gradient_checkpointing": False, "bf16": bf16}
    found: dict[str, list[dict[str, float]]] = {"defaults": [], "matched": [], "medtrain": []}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_base(work / "base", chosen.hidden, chosen.layers)
        write_records(work / "records.jsonl", chosen.records)
        for number in range(chosen.rounds):
            found["defaults"].append(plain(work, {}))
            found["matched"].append(plain(work, matched))
            found["medtrain"].append(ours(work, number))
    rate = {
        name: statistics.median(f["num_tokens"] / f["train_runtime"] for f in figures)
        for name, figures in found.items()
    }
    tokens = {name: figures[0]["num_tokens"] for name, figures in found.items()}
    if len(set(tokens.values())) > 1:
        raise SystemExit(f"The sides did not read the same tokens: {tokens}")
    first = found["defaults"][0]
    print(
        f"Llama of width {chosen.hidden} and {chosen.layers} layers, LoRA r=16, "
        f"{chosen.records} records, {tokens['medtrain']:,.0f} tokens, {os.cpu_count()} cores"
    )
    names = {
        "defaults": f"plain TRL, its defaults (bf16 {first['bf16']}, activations computed twice)",
        "matched": f"plain TRL, bf16 {bf16}, activations kept",
        "medtrain": "medtrain",
    }
    for name, told in names.items():
        ratio = rate["medtrain"] / rate[name]
        losses = statistics.median(f["loss"] for f in found[name])
        print(f"{told:70}{rate[name]:8.0f} tokens/s  medtrain {ratio:.2f}x  loss {losses:.3f}")
    print("target: at least 1.40x the defaults")


if __name__ == "__main__":
    main()
