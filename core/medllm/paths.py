"""Every path on disk that the programs use. No other module builds one.

`MEDLLM_HOME` moves everything of the user's (data, models, history, logs) into
one folder; without it the platform's usual places are used.
"""

import os
from pathlib import Path

from medllm.errors import StorageError

_APP = "medical-llm"
_PACKAGE = Path(__file__).resolve().parent


def data_dir() -> Path:
    """The project's own data: `medllm/data` in an installed wheel, `data/` in a checkout."""
    installed = _PACKAGE / "data"
    if (installed / "cards").is_dir():
        return installed
    checkout = _PACKAGE.parent.parent / "data"
    if (checkout / "cards").is_dir():
        return checkout
    raise StorageError(
        f"The built-in reference is missing: neither {installed} nor {checkout} holds cards.",
        "Install medical-llm again.",
    )


def cards_dir() -> Path:
    """The curated cards, one JSONL file a category."""
    return data_dir() / "cards"


def lexicon_file() -> Path:
    """The built-in concepts."""
    return data_dir() / "lexicon.tsv"


def abbreviations_file() -> Path:
    """The built-in senses of abbreviations."""
    return data_dir() / "abbreviations.tsv"


def pairs_file() -> Path:
    """The built-in questions with short answers."""
    return data_dir() / "pairs.jsonl"


def dialogues_file() -> Path:
    """The built-in dialogues."""
    return data_dir() / "dialogues.jsonl"


def evaluation_dir() -> Path:
    """The project's own evaluation data."""
    return data_dir() / "evaluation"


def builtin_models_dir() -> Path:
    """The models that come with the project."""
    return data_dir() / "models"


def builtin_model() -> Path:
    """The mini model, the default of the terminal program."""
    return builtin_models_dir() / "medical-llm-mini.q4_k_m.gguf"


def builtin_base_model() -> Path:
    """The mini model before tuning, kept to show what tuning does."""
    return builtin_models_dir() / "medical-llm-mini-base.q4_k_m.gguf"


def user_dir() -> Path:
    """The user's data folder. It may not exist yet; see `ensure_dir`."""
    home = os.environ.get("MEDLLM_HOME")
    if home:
        return Path(home).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir(_APP, appauthor=False))


def models_dir() -> Path:
    """Models that the user fetched or made."""
    return user_dir() / "models"


def history_file() -> Path:
    """The SQLite file with questions and answers."""
    return user_dir() / "history.sqlite3"


def vocabulary_file() -> Path:
    """The SQLite file that the vocabularies are compiled into."""
    return user_dir() / "vocabulary.sqlite3"


def documents_file() -> Path:
    """The SQLite file with the passages of cards and of the user's documents."""
    return user_dir() / "documents.sqlite3"


def tuning_dir() -> Path:
    """Answers that `medeval tuning` was given, unless the user names a folder."""
    return user_dir() / "tuning"


def settings_file() -> Path:
    """The user's settings."""
    return user_dir() / "settings.toml"


def runs_dir() -> Path:
    """Where training runs are written unless the user names a folder."""
    return Path.cwd() / "runs"


def processed_dir() -> Path:
    """Where prepared examples are written unless the user names a folder."""
    return Path.cwd() / "data" / "processed"


def augmented_dir() -> Path:
    """Where the changed copies of prepared examples are listed."""
    return Path.cwd() / "data" / "augmented"


def ensure_dir(folder: Path) -> Path:
    """Makes `folder` with its parents, readable by the user alone.

    Raises:
        StorageError: it can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StorageError(
            f"The folder {folder} can't be made: {error.strerror or error}.",
            "Set MEDLLM_HOME to a folder that can be written.",
        ) from error
    return folder
