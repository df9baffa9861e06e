"""Gilda's side of `linking.py`: reads names and mentions as JSON, writes what it grounds to.

It runs under a Python that has gilda (pip install gilda); nothing of it is fetched at run time.
"""

import json
import sys
import time


def main(asked: str, answered: str) -> None:
    """Grounds the mentions of the file `asked` and writes codes and seconds to `answered`."""
    from gilda.grounder import Grounder
    from gilda.process import normalize
    from gilda.term import Term

    with open(asked, encoding="utf-8") as stream:
        task = json.load(stream)
    terms = [
        Term(normalize(text), text, *code.split(":", 1), text, status, "store")
        for code, text, status in task["names"]
    ]
    grounder = Grounder(terms)
    answers = []
    for mentions in task["rounds"]:
        began = time.process_time()
        matches = [grounder.ground(mention) for mention in mentions]
        seconds = time.process_time() - began
        codes = [f"{m[0].term.db}:{m[0].term.id}" if m else None for m in matches]
        answers.append({"codes": codes, "seconds": seconds})
    with open(answered, "w", encoding="utf-8") as stream:
        json.dump(answers, stream)


if __name__ == "__main__":
    main(*sys.argv[1:])
