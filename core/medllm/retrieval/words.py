"""Words as the index knows them: stems, so that "renal tumours" meets "tumor of the kidney"."""

from functools import lru_cache

from medllm.terminology import tokens

LONGEST = 40
"""Characters of a word; longer ones are data, not words."""

STOP_WORDS = frozenset(
    """
    a about after all also am an and any are as at be because been being but by can could did do
    does doing for from had has have having he her hers him his how i if in into is it its itself
    just me more most my no nor not of on or other our ours out over own she should so some such
    than that the their theirs them then there these they this those to too under until up us was
    we were what when where which while who whom why will with would you your yours s t
    """.split()
)
"""Words of no topic; left out of the index and of questions."""
ASKING = frozenset(
    """
    cause caused causes define definition describe explain explanation find get give happen help
    info information know me mean meaning means need please stand stands symptom symptoms sign
    signs tell term treat treated treatment treatments understand work works diagnose diagnosed
    diagnosis prevent prevention risk outlook complication complications test tests exam exams
    people many much affected affect research trial clinical related done new stage stages
    """.split()
)
"""Words of asking about a topic; they are looked for, but name nothing by themselves."""


def terms(text: str) -> list[str]:
    """Stems of the words of `text`, in its order, stop words left out."""
    return [found for word in tokens.split(text) if (found := term(word))]


@lru_cache(1 << 18)
def term(word: str) -> str:
    """The stem of one word, "" for a stop word."""
    folded = tokens.folded(word)
    if folded in STOP_WORDS or len(folded) > LONGEST:
        return ""
    return tokens.stem(folded).replace("'", "")


def topic(text: str) -> list[str]:
    """Folded words of a question, without stop words and the words of asking."""
    said = [tokens.folded(word) for word in tokens.split(text)]
    return [word for word in said if word not in STOP_WORDS and word not in ASKING]
