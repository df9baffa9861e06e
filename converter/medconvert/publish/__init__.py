"""Publishing what medconvert made: to the Hugging Face Hub, and to Ollama.

    target = publish.parse_target("hf:OWNER/NAME")
    plan = publish.plan([gguf], target)     # reads and checks; opens no socket; print(plan)
    publish.run(plan, progress)             # sends

Tokens come from HF_TOKEN or from the Hub's own login, and go nowhere but to the Hub.
"""

from medconvert.publish.bundle import Plan
from medconvert.publish.planning import Options, plan
from medconvert.publish.target import Target, parse_target
from medconvert.publish.worker import run

__all__ = ["Options", "Plan", "Target", "parse_target", "plan", "run"]
