"""Terminology: which concept a question names."""
