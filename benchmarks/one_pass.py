"""From adapter to q4_k_m: one pass against the standard route, on a random Llama.

    pip download --no-deps --no-binary :all: llama-cpp-python==0.3.36 -d sdist
    tar xf sdist/llama_cpp_python-0.3.36.tar.gz -C sdist
    python benchmarks/one_pass.py --llama-cpp sdist/llama_cpp_python-0.3.36/vendor/llama.cpp

Baseline: PEFT's merge saved as safetensors, llama.cpp's own converter to f16,
llama_model_quantize; its three steps measured as processes of their own. Ours is the
command medconvert, without the checks, which the baseline has not either; in identical
bytes (--match-peft). Targets at the 1-billion shape: wall time at most 0.25 (0.6 with
MEDCONVERT_KERNELS=ggml), peak anonymous memory at most 0.25, bytes written at most 0.14,
two quantizations at most 1.7 times one; at the 7-billion shape (--shape 7b) under 1,500 MB.
The converter needs the packages sentencepiece and protobuf.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

SHAPES = {
    # hidden, feed-forward, layers, heads, heads of K and V
    "1b": (2048, 8192, 16, 32, 8),
    "7b": (4096, 14336, 32, 32, 8),
    "tiny": (256, 512, 2, 8, 4),
}
VOCABULARY, RANK = 32000, 16
STEPS = """
import ctypes, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.converter import reference
step, *paths = sys.argv[2:]
if step == "merge":
    reference.merge(*map(Path, paths))
else:
    reference.quantize(*map(Path, paths))
"""


@dataclass(frozen=True)
class Cost:
    """Of one process and those it started."""

    wall: float
    cpu: float
    anonymous_mb: float
    written_mb: float

    def __add__(self, other: "Cost") -> "Cost":
        """Two steps, one after the other."""
        return Cost(
            self.wall + other.wall,
            self.cpu + other.cpu,
            max(self.anonymous_mb, other.anonymous_mb),
            self.written_mb + other.written_mb,
        )


def measure(command: list[str], environment: dict[str, str]) -> Cost:
    """Runs a command to its end."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = psutil.Popen(command, stdout=said, stderr=said, env={**os.environ, **environment})
        anonymous, written, cpu = 0.0, {}, {}
        while process.poll() is None:
            now = 0.0
            for member in [process, *_children(process)]:
                try:
                    now += _anonymous(member.pid)
                    written[member.pid] = member.io_counters().write_chars
                    times = member.cpu_times()
                    cpu[member.pid] = times.user + times.system
                except (psutil.Error, OSError):
                    continue
            anonymous = max(anonymous, now)
            time.sleep(0.03)
        if process.returncode:
            said.seek(0)
            raise SystemExit(said.read().decode(errors="replace")[-2000:])
    wall = time.perf_counter() - started
    return Cost(wall, sum(cpu.values()), anonymous, sum(written.values()) / 1e6)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


def _anonymous(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1000
    return 0.0


def write_model(folder: Path, shape: str) -> Path:
    """A random bfloat16 Llama in shards, with a Llama 2 tokenizer of its own."""
    from tests.converter import models

    hidden, feed_forward, layers, heads, kv_heads = SHAPES[shape]
    models.sentencepiece_tokenizer(folder)
    narrow = hidden // heads * kv_heads
    matrices = {
        "self_attn.q_proj": (hidden, hidden), "self_attn.k_proj": (narrow, hidden),
        "self_attn.v_proj": (narrow, hidden), "self_attn.o_proj": (hidden, hidden),
        "mlp.gate_proj": (feed_forward, hidden), "mlp.up_proj": (feed_forward, hidden),
        "mlp.down_proj": (hidden, feed_forward),
    }  # fmt: skip
    whole = {"model.embed_tokens": (VOCABULARY, hidden), "lm_head": (VOCABULARY, hidden)}
    shards = [whole | {"model.norm": (hidden,)}]
    for layer in range(layers):
        start = f"model.layers.{layer}."
        norms = {start + n: (hidden,) for n in ("input_layernorm", "post_attention_layernorm")}
        shards.append({start + name: dims for name, dims in matrices.items()} | norms)
    index = {}
    for number, shard in enumerate(shards):
        name = f"model-{number + 1:05}-of-{len(shards):05}.safetensors"
        write_shard(folder / name, {f"{key}.weight": dims for key, dims in shard.items()}, number)
        index |= {f"{key}.weight": name for key in shard}
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": index})
    )
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "dtype": "bfloat16",
        "vocab_size": VOCABULARY, "hidden_size": hidden, "intermediate_size": feed_forward,
        "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": kv_heads, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    adapter = folder.parent / "adapter"
    adapter.mkdir()
    tensors, generator = {}, np.random.default_rng(1)
    for layer in range(layers):
        for name, (rows, columns) in matrices.items():
            start = f"base_model.model.model.layers.{layer}.{name}."
            for part, dims in (("lora_A", (RANK, columns)), ("lora_B", (rows, RANK))):
                values = generator.standard_normal(dims, np.float32) * np.float32(0.01)
                tensors[f"{start}{part}.weight"] = values
    from safetensors.numpy import save_file

    save_file(tensors, adapter / "adapter_model.safetensors")
    settings = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": 32,
        "target_modules": [name.split(".")[1] for name in matrices],
        "base_model_name_or_path": str(folder.resolve()),
    }  # fmt: skip
    (adapter / "adapter_config.json").write_text(json.dumps(settings))
    return adapter


def write_shard(file: Path, tensors: dict[str, tuple[int, ...]], seed: int) -> None:
    """Random normal values of standard deviation 0.02, as bfloat16."""
    generator, header, at = np.random.default_rng(seed), {}, 0
    for name, dims in tensors.items():
        end = at + 2 * int(np.prod(dims))
        header[name] = {"dtype": "BF16", "shape": list(dims), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    with file.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for dims in tensors.values():
            left = int(np.prod(dims))
            while left:
                count = min(left, 1 << 24)
                values = generator.standard_normal(count, np.float32) * np.float32(0.02)
                stream.write((values.view(np.uint32) >> 16).astype(np.uint16).tobytes())
                left -= count


def standard(llama_cpp: Path, base: Path, adapter: Path, work: Path) -> tuple[Cost, Path]:
    """The three steps."""
    root = str(Path(__file__).parents[1])
    steps = [sys.executable, "-c", STEPS, root]
    merged, f16, out = work / "merged" / "model", work / "f16.gguf", work / "standard.gguf"
    cost = measure([*steps, "merge", str(base), str(adapter), str(merged)], {})
    search = os.pathsep.join(
        [str(llama_cpp / "gguf-py"), str(llama_cpp), os.environ.get("PYTHONPATH", "")]
    )
    script = [sys.executable, str(llama_cpp / "convert_hf_to_gguf.py"), str(merged)]
    script += ["--outtype", "f16", "--outfile", str(f16)]
    cost += measure(script, {"PYTHONPATH": search, "HF_HUB_OFFLINE": "1"})
    cost += measure([*steps, "quantize", str(f16), str(out)], {})
    shutil.rmtree(merged)
    f16.unlink()
    return cost, out


def ours(base: Path, adapter: Path, out: Path, quant: str = "q4_k_m") -> Cost:
    """The command medconvert."""
    command = [sys.executable, "-m", "medconvert.cli", str(adapter), "--base", str(base)]
    command += ["--out", str(out), "--quant", quant, "--match-peft", "--no-verify"]
    return measure(command, {})


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llama-cpp", type=Path, help="its sources; without them ours alone")
    parser.add_argument("--shape", choices=SHAPES, default="1b")
    parser.add_argument("--work", type=Path, help="a folder with room; default a temporary one")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.work) as folder:
        work = Path(folder)
        base = work / "base"
        base.mkdir()
        adapter = write_model(base, chosen.shape)
        subprocess.run(["sync"], check=False)
        out = work / "out"
        out.mkdir()
        mine = ours(base, adapter, out / "ours.gguf")
        left = sorted(file.name for file in out.iterdir())
        two = ours(base, adapter, work / "two", "q4_k_m,q8_0")
        baseline, same = None, False
        if chosen.llama_cpp:
            baseline, file = standard(chosen.llama_cpp, base, adapter, work)
            same = _tensors(file) == _tensors(out / "ours.gguf")
    print(f"Llama of the shape {chosen.shape}, LoRA r={RANK} on every linear layer, q4_k_m")
    print(f"{'':24}{'wall s':>10}{'CPU s':>10}{'anonymous MB':>14}{'written MB':>12}")
    for label, cost in (("standard route", baseline), ("one pass", mine), ("with q8_0 too", two)):
        if cost:
            print(
                f"{label:24}{cost.wall:10.1f}{cost.cpu:10.1f}{cost.anonymous_mb:14.0f}"
                f"{cost.written_mb:12.0f}"
            )
    print(f"two quantizations at once: {two.wall / mine.wall:.2f} times one (asked 1.7)")
    print(f"left in the folder: {', '.join(left)}")
    if baseline:
        print(
            f"{'share of the standard':24}{mine.wall / baseline.wall:10.2f}"
            f"{mine.cpu / baseline.cpu:10.2f}{mine.anonymous_mb / baseline.anonymous_mb:14.2f}"
            f"{mine.written_mb / baseline.written_mb:12.2f}"
        )
        print(f"all tensors identical: {'yes' if same else 'NO'}")


def _tensors(file: Path) -> dict[str, str]:
    """A hash of each tensor's type, shape and bytes."""
    from gguf import GGUFReader

    found = {}
    for tensor in GGUFReader(file).tensors:
        digest = hashlib.sha256(f"{tensor.tensor_type} {tensor.shape}".encode())
        digest.update(np.ascontiguousarray(tensor.data).data)
        found[tensor.name] = digest.hexdigest()
    return found


if __name__ == "__main__":
    main()
