"""The chat template that a GGUF carries: a chat in, the prompt's text out. Host process only."""

from datetime import datetime
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from medllm.errors import ModelError
from medllm.prompts import Message


class _RefusedByTemplateError(TemplateError):
    """A template called `raise_exception`."""


def _raise(message: str) -> NoReturn:
    raise _RefusedByTemplateError(message)


class ChatTemplate:
    """A Jinja chat template, run in a sandbox.

    Args:
        source: `tokenizer.chat_template` of the model file.
        bos: spelling of the token that begins a text, may be empty.
        eos: spelling of the token that ends one.

    Raises:
        ModelError: there is none, or it is not a template.
    """

    def __init__(self, source: str | None, bos: str, eos: str) -> None:
        if not source:
            raise ModelError(
                "The model file has no chat template, so it can't be asked anything.",
                "Take an instruction-tuned model, or convert it again with its tokenizer.",
            )
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = _raise
        environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
        self._names = {"bos_token": bos, "eos_token": eos}
        try:
            self._template = environment.from_string(source)
        except TemplateError as error:
            raise _broken(error) from error
        self.has_system = self._renders_system()

    def render(self, messages: tuple[Message, ...]) -> str:
        """The prompt for `messages`, up to where the answer begins.

        Where the template refuses a system turn (it raises), its text goes before
        the first question. One that merely leaves it out is taken at its word.

        Raises:
            ModelError: the template fails.
        """
        try:
            return self._render(messages)
        except TemplateError as error:
            if messages and messages[0]["role"] == "system" and len(messages) > 1:
                return self._render_checked(folded(messages))
            raise _broken(error) from error
        except Exception as error:  # a template can fail in any way that Python can
            raise _broken(error) from error

    def _render_checked(self, messages: tuple[Message, ...]) -> str:
        try:
            return self._render(messages)
        except Exception as error:
            raise _broken(error) from error

    def _render(self, messages: tuple[Message, ...]) -> str:
        chat: list[dict[str, Any]] = [dict(message) for message in messages]
        return self._template.render(
            messages=chat, add_generation_prompt=True, tools=None, **self._names
        )

    def _renders_system(self) -> bool:
        system: Message = {"role": "system", "content": "SYSTEM-MARK"}
        user: Message = {"role": "user", "content": "Hello"}
        try:
            return "SYSTEM-MARK" in self._render((system, user))
        except Exception:
            return False


def folded(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """A chat whose system text stands before its first question, for templates without one."""
    first: Message = {
        "role": "user",
        "content": f"{messages[0]['content']}\n\n{messages[1]['content']}",
    }
    return (first, *messages[2:])


def _broken(error: Exception) -> ModelError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return ModelError(
        f"The model's chat template can't be used: {reason}.", "Take another build of the model."
    )
