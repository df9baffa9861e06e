"""What a server's refusal means, in one line with what to do next, and what is tried again."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from medllm.errors import ConversionError, MedLLMError

AGAIN = frozenset({408, 429, 500, 502, 503, 504})
"""Answers after which the same request is tried again."""
WAITS_S = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each new try, where the server names none."""
LONGEST_WAIT_S = 120
"""A server that asks for more is not waited for."""
GOES_ON = "The same command goes on where it was; what has arrived is not sent again."
Result = TypeVar("Result")


class PassingError(Exception):
    """A request failed in a way that may pass.

    Args:
        error: what to raise when it doesn't.
        wait: seconds that the server asks for.
    """

    def __init__(self, error: MedLLMError, wait: float | None = None) -> None:
        super().__init__(error.message)
        self.error, self.wait = error, wait


def persist(action: Callable[[], Result], sleep: Callable[[float], None]) -> Result:
    """Does something, again and again while it fails in a passing way, five times at most.

    Raises:
        MedLLMError: it failed for good.
    """
    for wait in WAITS_S:
        try:
            return action()
        except PassingError as failed:
            if failed.wait is not None and failed.wait > LONGEST_WAIT_S:
                raise failed.error from failed
            sleep(wait if failed.wait is None else failed.wait)
    try:
        return action()
    except PassingError as failed:
        raise failed.error from failed


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that a Retry-After header asks for, given as a number or as a date (RFC 9110)."""
    text = headers.get("retry-after", "").strip()
    if text.isdigit():
        return float(text)
    if not text:
        return None
    import datetime
    from email.utils import parsedate_to_datetime

    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    now = datetime.datetime.now(datetime.UTC)
    return max(0.0, (until.replace(tzinfo=until.tzinfo or datetime.UTC) - now).total_seconds())


def hub_refusal(status: int, repository: str, wait: float | None = None) -> ConversionError:
    """The error for an answer of the Hub."""
    owner = repository.partition("/")[0]
    known = {
        401: (
            "The Hub does not accept the token (401).",
            "Log in with `hf auth login`, or set HF_TOKEN to a token that may write.",
        ),
        402: (
            f"The Hub wants the storage of {owner} paid first (402).",
            "See huggingface.co/settings/billing, or publish a smaller quantization.",
        ),
        403: (
            f"The token may not write to {repository} (403).",
            f"Take a token with write access to {owner}, or name another owner.",
        ),
        404: (
            f"The Hub has no {repository} that you can write to (404).",
            f"Check the name; {owner} must be you or an organisation of yours.",
        ),
        413: ("The Hub finds a file too large (413).", "Publish a smaller quantization."),
    }
    if status in known:
        return ConversionError(*known[status])
    if status == 429:
        long = f" for {wait:.0f} seconds" if wait else ""
        return ConversionError(
            f"The Hub wants no more requests{long} (429).", f"Try again later. {GOES_ON}"
        )
    if status >= 500:
        return ConversionError(
            f"The Hub is in trouble and answers with error {status}.", f"Try again later. {GOES_ON}"
        )
    return ConversionError(
        f"The Hub refuses the publication with error {status}.", "See status.huggingface.co."
    )


def hub_unreachable() -> ConversionError:
    """The error for a Hub that is not there, or a connection that keeps breaking."""
    return ConversionError("The connection to the Hub failed.", f"Check the network. {GOES_ON}")
