"""Definitions of abbreviations inside a text."""

import pytest
from medllm.terminology.schwartz_hearst import definitions


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("heat shock protein (HSP)", {"HSP": "heat shock protein"}),
        ("the von Hippel-Lindau (VHL) gene", {"VHL": "von Hippel-Lindau"}),
        ("We saw ataxia-telangiectasia (A-T).", {"A-T": "ataxia-telangiectasia"}),
        ("glucose-6-phosphate dehydrogenase (G6PD) deficiency",
         {"G6PD": "glucose-6-phosphate dehydrogenase"}),
        ("CF (cystic fibrosis) is known", {"CF": "cystic fibrosis"}),
        ("acute myeloid leukemia (AML; or so)", {"AML": "acute myeloid leukemia"}),
        ("(see Figure 1) and the rest (p < 0.05)", {}),
        ("no such words here (XQZ)", {}),
        ("ends here. Cystic (CF)", {}),  # a long form does not reach over a sentence
        ("", {}),
        ("(((((", {}),
    ],
)  # fmt: skip
def test_definitions(text: str, pairs: dict[str, str]) -> None:
    found = definitions(text)
    assert {d.short: d.long for d in found} == pairs
    for d in found:
        assert text[d.short_start : d.short_end] == d.short
        assert text[d.long_start : d.long_end] == d.long
