"""Model files: whole or broken, their needs and hashes."""

import os
import struct
from dataclasses import replace
from pathlib import Path

import gguf
import pytest
from medllm import gguf_header, models
from medllm.errors import ModelError, ModelTooLargeError

from tests.tiny import write_tiny


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDLLM_HOME", str(tmp_path / "home"))


def test_facts_agree_with_the_reference_reader(tiny: Path) -> None:
    facts = models.check(tiny)
    reader = gguf.GGUFReader(tiny)
    assert facts.parameters == sum(int(t.n_elements) for t in reader.tensors)
    assert facts.tensor_bytes == sum(int(t.n_bytes) for t in reader.tensors)
    assert gguf_header.read(tiny).expected_bytes <= facts.size_bytes
    assert (facts.layers, facts.embedding, facts.feed_forward) == (2, 256, 512)
    assert facts.kv_values == 2 * (64 + 64)
    assert facts.quantization == "F16"
    assert facts.has_template


def test_block_sizes_and_names_agree_with_the_reference() -> None:
    for kind, (elements, size) in gguf.GGML_QUANT_SIZES.items():
        if kind.value in gguf_header.BLOCKS and kind.name != "Q8_1":
            assert gguf_header.BLOCKS[kind.value] == (elements, size), kind.name
            assert gguf_header.TYPES[kind.value] == kind.name
    known = {kind.value: kind.name.split("_", 1)[-1] for kind in gguf.LlamaFileType}
    for number, name in models.FILE_TYPES.items():
        assert known.get(number, name) == name
    assert gguf_header.TYPES.keys() - gguf_header.BLOCKS.keys() == {9}


def test_tensors_and_arrays_agree_with_the_reference_reader(tiny: Path) -> None:
    header, reader = gguf_header.read(tiny), gguf.GGUFReader(tiny)
    assert header.version == 3
    assert [(t.name, t.shape, t.type_name, t.size) for t in header.tensors] == [
        (t.name, tuple(map(int, t.shape)), t.tensor_type.name, int(t.n_bytes))
        for t in reader.tensors
    ]
    assert header.arrays
    for key, array in header.arrays.items():
        wanted = reader.fields[key].contents()
        assert array.count == len(wanted)
        assert list(array.items) == wanted[: len(array.items)]
    tokens = header.arrays["tokenizer.ggml.tokens"]
    wanted = reader.fields["tokenizer.ggml.tokens"].contents()
    for index in (0, 1, 100, len(wanted) - 1):
        assert gguf_header.text_item(tiny, tokens, index) == wanted[index]
    assert gguf_header.text_item(tiny, tokens, len(wanted)) == ""
    assert gguf_header.text_item(tiny, header.arrays["tokenizer.ggml.token_type"], 0) == ""


def test_a_value_for_each_layer_counts_as_their_mean(tmp_path: Path) -> None:
    file = tmp_path / "layers.gguf"
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_block_count(4)
    writer.add_embedding_length(512)
    writer.add_head_count(8)
    writer.add_head_count_kv([8, 2, 2, 0])
    writer.add_feed_forward_length([1024, 2048, 1024, 1024])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    facts = models.facts_of(file, file.stat().st_size, gguf_header.read(file))
    assert (facts.kv_values, facts.feed_forward) == (3 * 2 * 64, 1280)


def test_every_cut_is_seen(tiny: Path, tmp_path: Path) -> None:
    data = tiny.read_bytes()
    header = gguf_header.read(tiny)
    cut = tmp_path / "cut.gguf"
    for size in (5, 20, 100, 1000, 5000, len(data) // 2, header.expected_bytes - 1):
        cut.write_bytes(data[:size])
        with pytest.raises(ModelError, match="truncated") as caught:
            models.check(cut)
        assert f"{size:,}" in caught.value.message
    assert f"{header.expected_bytes:,}" in caught.value.message
    cut.write_bytes(data[: header.expected_bytes])
    assert models.check(cut).parameters == models.check(tiny).parameters


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "empty"),
        (b"PK\x03\x04" + b"x" * 99, "not a GGUF"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "version"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 0), "no language model"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1), "garbled"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 50), "garbled"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 99), "garbled"),
    ],
)
def test_what_is_no_model(tmp_path: Path, data: bytes, told: str) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(data)
    with pytest.raises(ModelError, match=told) as caught:
        models.check(file)
    assert caught.value.hint
    assert "\n" not in caught.value.line()


def test_missing_folder_and_unreadable(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model none\.gguf") as caught:
        models.check(tmp_path / "none.gguf")
    assert str(tmp_path) in caught.value.message
    assert "medtui pull" in caught.value.hint
    with pytest.raises(ModelError, match="folder"):
        models.check(tmp_path)
    locked = tmp_path / "locked.gguf"
    locked.write_bytes(tiny.read_bytes())
    locked.chmod(0)
    if not os.access(locked, os.R_OK):  # root reads everything
        with pytest.raises(ModelError, match="can't be read"):
            models.check(locked)


def test_adapters_and_encoders_are_refused(tmp_path: Path) -> None:
    for architecture, kind, told in (("llama", "adapter", "adapter"), ("t5", "model", "t5")):
        writer = gguf.GGUFWriter(tmp_path / "m.gguf", architecture)
        writer.add_type(kind)
        writer.add_token_list(["a"])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.close()
        with pytest.raises(ModelError, match=told):
            models.check(tmp_path / "m.gguf")


def test_the_context_fits_memory(tiny: Path) -> None:
    facts = replace(
        models.check(tiny), context_length=131072, layers=32, kv_values=2048, tensor_bytes=4 << 30
    )
    assert models.fitting_context(facts, available=16 << 30) == 4096
    assert models.fitting_context(facts, 8192, available=16 << 30) == 8192
    assert models.fitting_context(facts, available=facts.memory_bytes(2048)) == 2048
    with pytest.raises(ModelTooLargeError, match=r"4\.\d GB.*2\.1 GB"):
        models.fitting_context(facts, available=2 << 30)
    with pytest.raises(ModelTooLargeError):
        models.fitting_context(facts, 4096, available=facts.memory_bytes(2048))
    assert models.fitting_context(models.check(tiny)) == 2048
    assert models.available_memory() > 0


def test_the_hash_is_remembered_until_the_file_changes(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(tiny.read_bytes())
    read: list[float] = []
    first = models.sha256(file, read.append)
    assert read
    read.clear()
    assert models.sha256(file, read.append) == first
    assert not read
    file.write_bytes(tiny.read_bytes() + b"x")
    assert models.sha256(file) != first
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("MEDLLM_HOME", str(blocked / "below"))
    assert models.sha256(tiny) == first
    monkeypatch.setenv("MEDLLM_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "model-hashes.json").write_text("[broken")
    assert models.sha256(tiny) == first
