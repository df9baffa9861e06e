"""Measures of texts, labels and confidence; each equal to a trusted implementation."""
