"""Terminology: what a term is, which concept a name means, and when that can't be told.

`compiler` and `writer` make the vocabulary `store` from what the `readers` read; `linker`
links a mention, `mentions` finds them in texts, `resolver` finds the card of a question, and
`augment` makes training texts.
"""
