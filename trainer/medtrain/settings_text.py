"""Settings as YAML, in which 1e-4 is a number too."""

import re
from typing import Any

_EXPONENT = re.compile(r"[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+")
"""YAML 1.1, which PyYAML reads, wants a point and a sign: 1.0e-4."""


def read(text: str) -> Any:
    """What a YAML text holds.

    Raises:
        YAMLError: yaml's, where it is none.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        """Reads numbers with an exponent and no point as well."""

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))
    return yaml.load(text, Loader)
