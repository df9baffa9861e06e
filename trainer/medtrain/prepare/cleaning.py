"""Texts made clean: controls, mojibake, remains of HTML, white space; and what was done counted."""

import html
import re
import unicodedata

_SUSPECT = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u200b-\u200f\u2028-\u202e\u2060\ufeff\ufffd]"
    r"|[<&ÃÂâÅÄÐã]|[ \t][ \t\n]|\t|\n\n\n"
)
"""What cleaning might change; a text without it is clean but for its ends and its accents."""
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060\ufeff]"
)
_BREAKS = re.compile(r"\r\n?|[\x0c\u2028\u2029]")
_MOJIBAKE = re.compile(r"[ÃÂâÅÄÐã][\x80-\xbf‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ€¢£¥§©®°±²³´µ·¹º»¼½¾]|\ufffd")
_TAG_BREAK = re.compile(r"(?i)<\s*/?\s*(?:br|p|div|li|ul|ol|tr|table|h[1-6])\b[^<>]{0,300}>")
_TAG = re.compile(
    r"(?i)<\s*/?\s*(?:a|abbr|b|em|font|i|img|script|small|span|strong|style|sub|sup|tbody|td|th"
    r"|thead|u)\b[^<>]{0,300}>"
)
"""Names of HTML alone: `p < 0.05 and q > 1` is no tag."""
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});")
_BLANKS = re.compile(r"[ \t\xa0]+")
_LINE_END = re.compile(r" *\n *")
_GAPS = re.compile(r"\n{3,}")


def clean(text: str) -> tuple[str, tuple[str, ...]]:
    """A text as it should be learned, and the names of what was done to it."""
    done: list[str] = []
    if _SUSPECT.search(text):
        for name, mend in _STEPS:
            mended = mend(text)
            if mended != text:
                done.append(name)
                text = mended
        if "\ufffd" in text:
            done.append("lost characters, left as they are")
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    return text.strip(), tuple(done)


def _mojibake(text: str) -> str:
    if not _MOJIBAKE.search(text):
        return text
    import ftfy

    return str(ftfy.fix_encoding(text))


def _html(text: str) -> str:
    if "<" in text:
        text = _TAG.sub("", _TAG_BREAK.sub("\n", text))
    return _ENTITY.sub(lambda found: html.unescape(found.group()), text)


def _controls(text: str) -> str:
    return _CONTROLS.sub("", _BREAKS.sub("\n", text))


def _white_space(text: str) -> str:
    return _GAPS.sub("\n\n", _LINE_END.sub("\n", _BLANKS.sub(" ", text)))


_STEPS = (
    ("mojibake", _mojibake),
    ("remains of HTML", _html),
    ("control characters", _controls),
    ("white space", _white_space),
)
