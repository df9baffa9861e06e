"""`medconvert inspect`: what it tells agrees with the reference reader; bad files are one line."""

import json
import math
import struct
import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest
from medconvert import inspect
from medllm import models, paths
from medllm.errors import ModelError

from tests.tiny import write_tiny


@pytest.fixture(scope="module")
def mini() -> inspect.Report:
    return inspect.report(paths.builtin_model())


def test_the_mini_model_is_told_as_the_reference_reads_it(mini: inspect.Report) -> None:
    reader = gguf.GGUFReader(paths.builtin_model())
    assert {kind.type_name: (kind.tensors, kind.size) for kind in mini.types} == {
        name: (len(group), sum(int(t.n_bytes) for t in group))
        for name in ("Q4_K", "Q6_K", "F32")
        if (group := [t for t in reader.tensors if t.tensor_type.name == name])
    }
    content = json.loads(json.dumps(mini.as_json(), allow_nan=False))
    assert content["parameters"] == sum(int(t.n_elements) for t in reader.tensors)
    assert [t["name"] for t in content["tensors"]] == [t.name for t in reader.tensors]
    assert content["metadata"]["tokenizer.ggml.tokens"]["count"] == 4096
    for key, value in content["metadata"].items():
        if not isinstance(value, dict):
            wanted = reader.fields[key].contents()
            assert value == (pytest.approx(wanted) if isinstance(wanted, float) else wanted), key
    assert content["chat_template"] == reader.fields["tokenizer.chat_template"].contents()
    assert content["chat_family"] == "mini"


def test_the_text_names_types_template_family_and_memory(mini: inspect.Report) -> None:
    text = mini.text()
    for said in (
        "llama, Q4_K_M, GGUF 3",
        "7,868,672 parameters",
        "Chat family: mini",
        "{{ bos_token }}",
        "blk.0.attn_v.weight       Q6_K     256 x 256",
        "context 1024",
    ):
        assert said in text


def test_memory_is_said_for_4096_tokens_and_for_all(tmp_path: Path) -> None:
    file = write_tiny(tmp_path / "long.gguf", context=32768)
    usual, whole = inspect.report(file).memory
    facts = models.check(file)
    assert (usual.context, whole.context) == (4096, 32768)
    assert whole.cache == 8 * usual.cache == 2 * 32768 * facts.layers * facts.kv_values
    assert (usual.total, whole.total) == (facts.memory_bytes(4096), facts.memory_bytes(32768))


def test_any_gguf_is_read_adapters_encoders_and_unknown_types(tmp_path: Path) -> None:
    file = tmp_path / "odd.gguf"
    writer = gguf.GGUFWriter(file, "bert")
    writer.add_type("adapter")
    writer.add_string("general.name", "a\x1b[31m\nb")
    writer.add_float32("odd.nan", math.nan)
    writer.add_array("odd.list", [1.5, math.inf])
    writer.add_tensor("x.lora_a", np.zeros((4, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    report = inspect.report(file)
    assert "\x1b" not in report.text() and "a\\x1b[31m\\nb: bert" in report.text()
    assert report.memory == ()
    assert any("adapter" in warning for warning in report.warnings)
    json.dumps(report.as_json(), allow_nan=False)
    data = bytearray(file.read_bytes())
    place = data.index(b"x.lora_a") + len("x.lora_a") + 4 + 2 * 8
    data[place : place + 4] = struct.pack("<I", 77)
    file.write_bytes(data)
    odd = inspect.report(file)
    assert odd.types[0].type_name == "type 77"
    assert any("type 77" in warning for warning in odd.warnings)


def test_version_2_is_read(tmp_path: Path) -> None:
    data = bytearray(paths.builtin_model().read_bytes())
    data[4:8] = struct.pack("<I", 2)
    file = tmp_path / "v2.gguf"
    file.write_bytes(data)
    assert "GGUF 2" in inspect.report(file).text()


@pytest.mark.parametrize(
    ("data", "told"),
    [(b"", "empty"), (b"PK\x03\x04rest", "not a GGUF"), (b"GGUF\x03\x00", "truncated")],
)
def test_what_is_no_gguf_is_one_line(tmp_path: Path, data: bytes, told: str) -> None:
    file = tmp_path / "bad.gguf"
    file.write_bytes(data)
    with pytest.raises(ModelError, match=told) as caught:
        inspect.report(file)
    assert caught.value.hint and "\n" not in caught.value.line()


def test_a_cut_file_a_folder_and_nothing_are_one_line(tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    whole = paths.builtin_model().read_bytes()
    cut.write_bytes(whole[:-1])
    told = f"truncated: {len(whole) - 1:,} of {len(whole):,}"
    with pytest.raises(ModelError, match=told):
        inspect.report(cut)
    with pytest.raises(ModelError, match="folder"):
        inspect.report(tmp_path)
    with pytest.raises(ModelError, match="no file"):
        inspect.report(tmp_path / "none.gguf")


def test_it_needs_nothing_heavy() -> None:
    program = (
        "import sys; from pathlib import Path; from medconvert import inspect; "
        "inspect.report(Path(sys.argv[1])).text(); "
        "print(sorted({'torch', 'transformers', 'llama_cpp', 'gguf', 'numpy'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, str(paths.builtin_model())]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
