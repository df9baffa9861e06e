"""Which abbreviations are written out, in what words, and which stay as they are."""

import pytest
from medllm.terminology import augment
from medllm.terminology.mentions import Annotator


def _written(annotator: Annotator, text: str, before: str = "") -> augment.Example:
    lexicon = annotator.abbreviations.lexicon
    made = augment.preferred(text, annotator.mentions(text, before), annotator.store, lexicon)
    for change in made.changes:
        assert made.text[change.start :].startswith(change.after)
        assert text[change.source_start :].startswith(change.before)
    for span in made.spans:
        assert made.text[span.start : span.end].strip()
    return made


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Troponin rose and the cardiogram showed an inferior MI. After the MI he took aspirin.",
            "Troponin rose and the cardiogram showed an inferior myocardial infarction (MI). "
            "After the myocardial infarction he took aspirin.",
        ),
        (  # the article changes with the word
            "With chest pain and a stent in a coronary artery he had an MI last year.",
            "With chest pain and a stent in a coronary artery he had a myocardial infarction (MI) "
            "last year.",
        ),
        (  # inside parentheses there are no others
            "She has cirrhosis (now with HCC and raised enzymes).",
            "She has cirrhosis (now with hepatocellular carcinoma and raised enzymes).",
        ),
        (
            "ESRD on PD, catheter exit site clean, dialysate clear.",
            "ESRD on peritoneal dialysis (PD), catheter exit site clean, dialysate clear.",
        ),
        (  # the text's own definition, which no lexicon has
            "Quick brown fox syndrome (QBFS) is new. QBFS is rare. We saw a QBFS twice.",
            "Quick brown fox syndrome (QBFS) is new. Quick brown fox syndrome is rare. We saw a "
            "quick brown fox syndrome twice.",
        ),
        (  # a definition by another name than the preferred one
            "Mucoviscidosis (MV) is inherited. Sputum in MV is thick.",
            "Cystic fibrosis (MV) is inherited. Sputum in cystic fibrosis is thick.",
        ),
        (
            "Parkinson's disease (PD) is common. Tremor in PD is slow.",
            "Parkinson disease (PD) is common. Tremor in Parkinson disease is slow.",
        ),
        (  # a definition that is another sense than the lexicon's
            "Marine isopods (MI) were counted. Then MI were weighed.",
            "Marine isopods (MI) were counted. Then marine isopods were weighed.",
        ),
    ],
)
def test_what_is_sure_is_written_out(annotator: Annotator, text: str, expected: str) -> None:
    assert _written(annotator, text).text == expected


@pytest.mark.parametrize(
    "text",
    [
        "MI noted. History of MS.",  # unsure
        "XQZW was seen.",  # unknown
        "ARDS.",  # the only sense that is known, and nothing speaks for it
        "A post-MI patient with troponin and a stent, an MI-related death, MI/stroke.",
        "Her troponin and chest pain told of two MIs.",  # a plural
        "Chest pain, troponin: P = MI.",  # a value
        "Given 5000 IU of vitamin D and 20 MG.",  # units
        "Colony-forming units (CFU) were counted. There were 200 CFU on the plate.",
        "EGFR mutations in lung cancer; the APC gene in colon polyps.",  # genes
        "Breast cancer gene 1 (BRCA1) was read. Then BRCA1 was silent.",
        "ALL patients with leukemia and blasts, vincristine OR asparaginase.",  # words
        "RESULTS OF THE MI TRIAL: troponin rose with chest pain.",  # a heading
        "TROPONIN ROSE WITH CHEST PAIN AFTER THE MI.",
        "The infarct of the heart with chest pain and troponin (MI) was large.",  # alone
        "Chest pain, raised troponin: myocardial infarction, or MI, was likely.",  # said already
        "Bone (OBTK) of the tibia near the knee (OTK) broke. OTK pain was cured.",  # a half
        "The scale:MI of troponin and chest pain.",
        "What does MI stand for in a note on troponin and chest pain?",
        "MI is the abbreviation for an infarct, with troponin and chest pain.",
        "The ECG showed ST segment changes, a QRS complex and CD4 cells in stage III.",
    ],
)
def test_what_only_looks_like_one_stays(annotator: Annotator, text: str) -> None:
    made = _written(annotator, text)
    changed = [change.before for change in made.changes]
    assert not set(changed) & set("MI MS XQZW ARDS MIs IU MG CFU EGFR APC BRCA1 ALL OR".split())
    assert not set(changed) & set("OTK QRS ST CD4 III".split())


def test_what_was_said_before_tells_the_sense(annotator: Annotator) -> None:
    question = "Does right atrial enlargement (RAE) predict death?"
    assert _written(annotator, "RAE does.").text == "RAE does."
    made = _written(annotator, "RAE does. So RAE matters.", question)
    assert made.text == (
        "Right atrial enlargement (RAE) does. So right atrial enlargement matters."
    )


def test_every_change_is_told(annotator: Annotator) -> None:
    made = _written(annotator, "Chest pain, troponin and a stent: he had an MI in May.")
    told = [(change.before, change.after, change.concept) for change in made.changes]
    assert told == [
        ("an", "a", ""),
        ("MI", "myocardial infarction (MI)", made.spans[-1].concept),
    ]


def test_without_a_lexicon_they_stay(annotator: Annotator) -> None:
    text = "Troponin rose and the ECG showed an inferior MI."
    assert augment.preferred(text, annotator.mentions(text), annotator.store).text == text
