"""The settings of a recipe: what they mean, in which unit, and what they are by default."""

from collections.abc import Mapping
from typing import Any, Literal

from medllm.reference import Speciality
from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal["scratch", "causal", "seq2seq"]


class Settings(BaseModel):
    """A group of settings; what it has no name for is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSettings(Settings):
    """Shape of a Llama that is trained from scratch."""

    hidden: int = Field(256, gt=0)
    """Width; a multiple of 256 so that Q4_K can hold its rows."""
    layers: int = Field(8, gt=0)
    heads: int = Field(4, gt=0)
    ffn: int = Field(768, gt=0)
    """Inner width of the feed-forward part; a multiple of 256."""
    vocabulary: int = Field(4096, ge=300)
    """Tokens of the byte-level BPE vocabulary, specials included."""
    context: int = Field(1024, ge=64)
    """Longest text in tokens."""

    @model_validator(mode="after")
    def _fits_blocks(self) -> "ModelSettings":
        for name in ("hidden", "ffn"):
            if getattr(self, name) % 256:
                raise ValueError(f"model.{name} must be a multiple of 256")
        if self.hidden % self.heads:
            raise ValueError("model.hidden must be a multiple of model.heads")
        return self


class StageSettings(Settings):
    """One stage of a training from scratch: pre-training or tuning."""

    epochs: float = Field(1, gt=0)
    learning_rate: float = Field(1e-3, gt=0)
    """Peak; it falls to zero along a cosine."""
    batch: int = Field(16, gt=0)
    """Examples a step."""
    warmup: int = Field(0, ge=0)
    """Steps of rising learning rate."""
    weight_decay: float = Field(0.0, ge=0)
    save_steps: int = Field(100, gt=0)
    """Steps between checkpoints."""
    max_steps: int = -1
    """Steps of the stage, whatever the epochs say, for trials; -1: the epochs decide."""


class LoraSettings(Settings):
    """The adapter of the mini model."""

    r: int = Field(32, gt=0)
    """Rank."""
    alpha: float = Field(32, gt=0)
    """Scale is alpha / r."""
    dropout: float = Field(0.0, ge=0, lt=1)


class AdapterSettings(LoraSettings):
    """The adapter of a base model."""

    targets: Literal["all-linear"] | list[str] = "all-linear"
    """Names of the linear layers that are adapted; all-linear: each but the output layer."""
    rslora: bool = False
    """Scale is alpha / sqrt(r) (arXiv:2312.03732): r=64 and alpha=128 then scale by 16, not 2."""
    dora: bool = False
    """Learns the lengths of the rows apart from their directions (arXiv:2402.09353)."""
    init: Literal["default", "pissa"] = "default"
    """pissa: begins with the largest singular parts of the base (arXiv:2404.02948)."""
    bits: Literal[4, 16] = 16
    """Of the base's weights while training: 4 is QLoRA (nf4), which spares memory, not time."""

    @model_validator(mode="after")
    def _fits_together(self) -> "AdapterSettings":
        if self.init == "pissa" and self.dora:
            raise ValueError("lora.init=pissa and lora.dora can't be merged together: choose one")
        if self.init == "pissa" and self.bits == 4:
            raise ValueError("lora.init=pissa needs the weights themselves: set lora.bits=16")
        if not self.targets:
            raise ValueError("lora.targets names no layer: leave it out for all-linear")
        return self


class SourceSettings(Settings):
    """A data set."""

    reader: str = "jsonl"
    """Format of the data set; `medtrain data` lists them."""
    path: str = ""
    """File, folder or Hub id; empty: what comes with the reader."""
    subset: str = ""
    """Configuration of a Hub data set, where it has several."""
    split: str = "train"
    """Split of a Hub data set."""
    columns: dict[str, str] = Field(default_factory=dict)
    """jsonl: which columns are prompt and completion, like {prompt: question}."""
    share: float = Field(1.0, gt=0, le=1)
    """Share of the documents that is used."""
    specialities: list[Speciality] = []
    """The project's own data: fields of medicine that are used; empty: all."""
    ways: int = Field(0, ge=0)
    """cards: how many of the ways to ask for each card are used; 0: all."""

    @model_validator(mode="after")
    def _fits_the_reader(self) -> "SourceSettings":
        if self.columns and self.reader != "jsonl":
            raise ValueError("data.columns is for data.reader=jsonl: other formats have their own")
        if self.specialities and self.reader not in ("cards", "pairs", "dialogues"):
            raise ValueError("data.specialities is for the readers cards, pairs and dialogues")
        if self.ways and self.reader != "cards":
            raise ValueError("data.ways is for data.reader=cards: set data.ways=0")
        return self


class TerminologySettings(Settings):
    """What is done to the medical terms of the examples."""

    normalise: bool = False
    """Surely linked terms get their preferred names; sure abbreviations are written out."""
    augment: list[Literal["preferred", "mask", "synonym", "rare-mask"]] = []
    """Kinds of changed copies that are added to the training examples."""
    rare: int = Field(1, ge=1)
    """rare-mask masks concepts of at most so many examples."""
    groups: list[str] = []
    """mask masks these semantic groups alone; empty: all."""


class DataSettings(SourceSettings):
    """What is trained on."""

    also: list[SourceSettings] = []
    """Further data sets that are mixed in."""
    validation: float = Field(0.05, ge=0, lt=1)
    """Share of the documents that is kept for validation."""
    system: str = ""
    """System text of each prompt; `card`: the one that asks for the four parts."""
    longest: int = Field(40_000, gt=0)
    """Characters of the longest example; longer ones are left out and counted."""
    near: float = Field(0.85, ge=0, le=1)
    """Likeness (Jaccard, of words by threes) from which an example is a duplicate; 0: none is."""
    decontaminate: list[str] = []
    """Files of evaluation data, beside the project's own, whose items must not be learned."""
    terminology: TerminologySettings = TerminologySettings()


class TrainSettings(Settings):
    """How a base model is tuned."""

    epochs: float = Field(1, gt=0)
    max_steps: int = Field(-1, ge=-1)
    """Steps of the training, whatever the epochs say, for trials; -1: the epochs decide."""
    learning_rate: float = Field(2e-4, gt=0)
    """Peak."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate goes from its peak to zero, or stays."""
    warmup: float = Field(0.05, ge=0)
    """Rising learning rate: below 1 a share of all steps, else a number of steps."""
    weight_decay: float = Field(0.0, ge=0)
    batch: int = Field(2, gt=0)
    """Examples a device at once."""
    accumulation: int = Field(4, gt=0)
    """Batches a step: batch, accumulation and devices multiply to the examples of a step."""
    max_length: int = Field(1024, ge=16)
    """Longest example in tokens; seq2seq: longest question and longest answer."""
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    """Of the computation; auto: the fastest that the device does well."""
    optimizer: Literal["adamw", "adamw-8bit"] = "adamw"
    """adamw-8bit keeps its state in 8 bits, where there is CUDA."""
    batching: Literal["auto", "packed", "grouped", "padded"] = "auto"
    """Examples end to end, of like length together, or as they come; auto: the fastest here."""
    checkpointing: Literal["auto", "always", "never"] = "auto"
    """Computes activations a second time to spare memory; auto: only if memory asks for it."""
    save_steps: int = Field(0, ge=0)
    """Steps between checkpoints, each followed by validation; 0: one an epoch."""
    patience: int = Field(0, ge=0)
    """Validations without a better loss after which training ends; 0: never."""


class Cost(Settings):
    """What a recipe takes, as told in lists."""

    hardware: str
    time: str
    memory: str


class Recipe(Settings):
    """What all recipes have."""

    name: str
    kind: Kind
    chat_family: str = ""
    """How the model is talked to: a family of medllm.chat_families."""
    seed: int = 0
    summary: str = ""
    """The recipe in one line."""
    cost: Cost | None = None

    def in_force(self) -> dict[str, Any]:
        """The settings that decide what comes out, as run.json records them."""
        return self.model_dump(mode="json", exclude={"summary", "cost"})


class ScratchRecipe(Recipe):
    """A small model from nothing: pre-training, then an adapter."""

    kind: Literal["scratch"] = "scratch"
    model: ModelSettings = ModelSettings()
    pretrain: StageSettings = StageSettings()
    tune: StageSettings = StageSettings()
    lora: LoraSettings = LoraSettings()


class TuningRecipe(Recipe):
    """A base model, tuned on examples."""

    kind: Literal["causal", "seq2seq"]
    base: str = Field(min_length=1)
    """Folder of the base model, or its Hub id."""
    revision: str = ""
    """Branch, tag or commit of the Hub; empty: the newest."""
    template: Literal["base", "family"] = "base"
    """base: the base's own chat template, where it has one; family: that of chat_family."""
    prefix: str = ""
    """seq2seq: stands before each question, in training and ever after."""
    data: DataSettings = DataSettings()
    lora: AdapterSettings | None = AdapterSettings()
    """null: all weights are trained."""
    train: TrainSettings = TrainSettings()
    extra: dict[str, Any] = Field(default_factory=dict)
    """Settings of TRL's SFTConfig or transformers' Seq2SeqTrainingArguments, by their names."""

    def changed(self, values: Mapping[str, Any]) -> "TuningRecipe":
        """The recipe with other values, by names like `lora.r`.

        Raises:
            ValidationError: pydantic's, where they don't go together.
        """
        content = self.model_dump()
        for name, value in values.items():
            group, setting = name.split(".")
            content[group] = {**(content[group] or {}), setting: value}
        return TuningRecipe.model_validate(content)

    @model_validator(mode="after")
    def _fits_together(self) -> "TuningRecipe":
        if self.kind == "seq2seq":
            if self.train.batching == "packed":
                raise ValueError("train.batching=packed is for causal models: try grouped")
            if self.chat_family or self.template != "base":
                raise ValueError("chat_family and template are for causal models: set prefix")
        elif self.prefix:
            raise ValueError("prefix is for seq2seq models: a causal one has a chat template")
        if self.template == "family" and not self.chat_family:
            raise ValueError("template=family needs chat_family")
        if self.lora is None and self.kind == "causal":
            raise ValueError("lora can't be null: all weights are trained for seq2seq only")
        return self
