"""Passages that answer a question: from the built-in cards and from the user's own folders.

`index.Index` is the way in: `readers` turn files into text, `passages` cuts it, `update` and
`writer` keep one SQLite file (`store`) in step with the folders, and `search` finds by names
(`names`), words (`matching`), letters (`letters`) and meaning (`vectors`).
"""
