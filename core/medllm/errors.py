"""The one tree of errors.

Each error says in one line what is wrong and, as its hint, what to do next. The
command lines print both and leave with the error's exit code; no traceback
reaches a user.
"""

from typing import ClassVar


class MedLLMError(Exception):
    """Base of all errors that a user can meet.

    Args:
        message: one line, what is wrong.
        hint: one line, what to do next; may be empty.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def line(self) -> str:
        """Message and hint as the single line that is shown."""
        return f"{self.message} {self.hint}".strip()


class UsageError(MedLLMError):
    """The command or its input can't be used as it is: an empty question, an unknown option."""

    exit_code = 2


class CardError(MedLLMError):
    """A text is not a card, or a line of a card file breaks the schema."""


class ModelError(MedLLMError):
    """A model file is missing, truncated, not GGUF, or can't be loaded."""

    exit_code = 3


class ModelTooLargeError(ModelError):
    """A model would not fit into the memory that is free."""


class EngineError(MedLLMError):
    """The engine stopped, was killed, or answered something that is not its protocol."""

    exit_code = 4


class StorageError(MedLLMError):
    """A file or folder of the user's can't be read or written: read-only, full, corrupt."""

    exit_code = 5


class NetworkRefusedError(MedLLMError):
    """The offline guard refused a connection."""

    exit_code = 6


class DataError(MedLLMError):
    """A data set, vocabulary or recipe is broken; the message names file and line."""

    exit_code = 7


class TrainingError(MedLLMError):
    """A training run can't start or go on."""

    exit_code = 8


class InterruptedRunError(MedLLMError):
    """Ctrl-C in long work whose checkpoint is kept."""

    exit_code = 130


class ConversionError(MedLLMError):
    """A model can't be merged, quantized, verified or published faithfully."""

    exit_code = 9


class MissingExtraError(MedLLMError):
    """An optional part is not installed; the hint is its install line."""

    exit_code = 10

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(
            f"This needs the package {package}, which is not installed.",
            f"Install it with: pip install 'medical-llm[{extra}]'",
        )
