"""What cleaning changes, what it counts, and what it must leave alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from medtrain.prepare.cleaning import clean


@pytest.mark.parametrize(
    ("text", "cleaned", "done"),
    [
        ("p < 0.05 and q > 1", "p < 0.05 and q > 1", ()),
        ("A&E, R&D; 5 &lt 6", "A&E, R&D; 5 &lt 6", ()),
        ("<b>Dose</b>: see label<br/>Next<p class='x'>Last</p>", "Dose: see label\nNext\nLast",
         ("remains of HTML",)),
        ("H<sub>2</sub>O &amp; CO&#8322; &alpha;", "H2O & CO₂ α", ("remains of HTML",)),
        ("BehÃ§etâ€™s disease", "Behçet’s disease", ("mojibake",)),
        ("Âµg", "µg", ("mojibake",)),
        ("naïve café, 37 °C, β-blocker", "naïve café, 37 °C, β-blocker", ()),
        ("SÃO PAULO, FÂ and GRÃ", "SÃO PAULO, FÂ and GRÃ", ()),
        ("a\x00b\u200bc\ufeff", "abc", ("control characters",)),
        ("one\r\ntwo\rthree", "one\ntwo\nthree", ("control characters",)),
        ("a  b\t c \n\n\n\n d", "a b c\n\nd", ("white space",)),
        ("lost \ufffd here", "lost \ufffd here", ("lost characters, left as they are",)),
        ("  ends  ", "ends", ("white space",)),
        (" \n ", "", ("white space",)),
        ("cafe\u0301", "café", ()),
    ],
)  # fmt: skip
def test_a_text_is_cleaned(text: str, cleaned: str, done: tuple[str, ...]) -> None:
    found, told = clean(text)
    assert found == cleaned
    # White space at the ends alone is not counted, inside it is.
    assert set(told) - {"white space"} == set(done) - {"white space"}
    assert ("white space" in told) == ("white space" in done)


@given(st.text(max_size=80))
def test_what_is_clean_stays_as_it_is(text: str) -> None:
    once, _ = clean(text)
    twice, _ = clean(once)
    again, told = clean(twice)
    assert again == twice
    assert set(told) <= {"lost characters, left as they are"}
