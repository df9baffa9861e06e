"""Readers of published vocabularies: each turns a file into facts, line by line."""
