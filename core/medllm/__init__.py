"""What every part of medical-llm shares: cards, prompts, terminology, engines, history."""

__version__ = "0.1.0"
