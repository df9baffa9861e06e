"""The part of Go's text/template that Ollama's templates use, with Go's own meaning.

Semantics: https://pkg.go.dev/text/template. What is not understood is refused by name:
`define`, `block`, `template`, methods, floating-point and complex numbers, and functions
other than those in `functions`. `ollama.render` is how a chat gets into such a template.
"""
