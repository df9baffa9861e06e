"""Which sense an abbreviation has in sentences as they stand in notes, and when to ask."""

from pathlib import Path

import numpy as np
import pytest
from medllm.terminology import compiler
from medllm.terminology.abbreviations import Abbreviations, Ranked
from medllm.terminology.background import Background
from medllm.terminology.lexicon import Concept, Lexicon, Sense
from medllm.terminology.sense_shares import Frequency, Imported
from medllm.terminology.store import Store


@pytest.fixture(scope="module")
def abbreviations() -> Abbreviations:
    """The built-in lexicon and cards, no embedder."""
    return Abbreviations()


def _expansions(ranked: Ranked) -> list[str]:
    return [entry.sense.expansion for entry in ranked.senses]


@pytest.mark.parametrize(
    ("short", "text", "expected"),
    [
        ("MI", "Troponin peaked at 14 and the ECG showed an inferior MI.", "myocardial infarction"),
        (
            "MI",
            "Echo: mild MI with a central jet, systolic murmur at the apex.",
            "mitral insufficiency",
        ),
        (
            "MS",
            "MS diagnosed in 2012, on interferon, new demyelinating lesions on MRI brain.",
            "multiple sclerosis",
        ),
        (
            "MS",
            "Echo shows severe MS, valve area 0.9 cm2, rheumatic mitral leaflets.",
            "mitral stenosis",
        ),
        ("MS", "Given MS 4 mg IV for pain with good relief.", "morphine sulfate"),
        ("RA", "SpO2 96% on RA, no distress.", "room air"),
        (
            "RA",
            "RA on methotrexate with morning stiffness and swollen MCP joints.",
            "rheumatoid arthritis",
        ),
        (
            "RA",
            "Catheter tip seen in the RA; RV pressure 40, tricuspid regurgitation.",
            "right atrium",
        ),
        ("PE", "CT angiogram negative for PE, heparin stopped.", "pulmonary embolism"),
        ("PE", "PE: HEENT normal, lungs clear, abdomen soft.", "physical examination"),
        ("PE", "Left PE drained by thoracentesis, 900 ml exudate.", "pleural effusion"),
        ("CF", "CF with Pseudomonas in sputum, on pancreatic enzymes.", "cystic fibrosis"),
        ("CF", "Visual acuity: CF at 2 feet in the left eye.", "counting fingers"),
        ("PT", "PT 14.2, INR 1.3, PTT 31.", "prothrombin time"),
        ("PT", "PT and OT consulted for gait and ambulation before rehab.", "physical therapy"),
        ("pt", "pt states that she feels better", "patient"),
        ("DC", "DC home tomorrow with follow up in clinic.", "discharge"),
        ("D/C", "D/C foley and IV fluids, stop antibiotics.", "discontinue"),
        ("OD", "Visual acuity 20/40 OD, 20/25 OS.", "right eye"),
        ("OD", "Brought in after an OD of acetaminophen, naloxone given, suicidal.", "overdose"),
        ("SOB", "SOB on exertion, relieved by rest.", "shortness of breath"),
        (
            "BPD",
            "Ex 26-week premature infant with BPD on home oxygen, ventilator for weeks.",
            "bronchopulmonary dysplasia",
        ),
        (
            "BPD",
            "BPD with self-harm, in dialectical behavior therapy.",
            "borderline personality disorder",
        ),
        (
            "BPD",
            "Ultrasound at 20 weeks: BPD 48 mm, femur length and head circumference normal.",
            "biparietal diameter",
        ),
        ("AS", "Severe AS on echo, valve area 0.7, syncope, TAVR planned.", "aortic stenosis"),
        ("AS", "AS with HLA-B27, sacroiliitis and back stiffness.", "ankylosing spondylitis"),
        ("CP", "CP radiating to the left arm, relieved by nitroglycerin.", "chest pain"),
        ("CP", "Child with CP, spastic diplegia, wheelchair, baclofen.", "cerebral palsy"),
        ("PD", "PD with rigidity and tremor on levodopa.", "Parkinson disease"),
        ("PD", "ESRD on PD, catheter exit site clean, dialysate clear.", "peritoneal dialysis"),
        ("PCP", "HIV with CD4 40, PCP on bactrim prophylaxis, hypoxia.", "Pneumocystis pneumonia"),
        ("PCP", "Follow up with PCP in two weeks.", "primary care physician"),
        ("HD", "ESRD on HD MWF via fistula, dry weight 70.", "hemodialysis"),
        (
            "HD",
            "HD #3: postoperative, drain removed, tolerating diet, discharge planned.",
            "hospital day",
        ),
        ("HD", "Chorea and HD, CAG repeats in the huntingtin gene.", "Huntington disease"),
        (
            "LAD",
            "Stent to the LAD, 90% stenosis at catheterization.",
            "left anterior descending artery",
        ),
        ("LAD", "Neck supple, no LAD, no JVD.", "lymphadenopathy"),
        ("LP", "LP done, CSF opening pressure 18, no cells.", "lumbar puncture"),
        ("CVA", "CVA with left hemiparesis, CT head no bleed.", "cerebrovascular accident"),
        ("CVA", "No CVA tenderness, urinalysis clean.", "costovertebral angle"),
        ("BS", "Abdomen soft, BS present, nondistended.", "bowel sounds"),
        ("BS", "Lungs: BS clear bilaterally, no wheezes.", "breath sounds"),
        ("BS", "Fasting BS 240, insulin increased.", "blood sugar"),
        ("US", "RUQ US shows gallstones, hepatic echotexture normal.", "ultrasound"),
        ("RT", "RT gave nebulizer, suctioned, vent weaned.", "respiratory therapy"),
        ("RT", "Completed RT, 50 Gy to the breast after lumpectomy.", "radiation therapy"),
        ("Ca", "Ca 8.4, Mg 1.9, Phos 3.1, albumin 2.8.", "calcium"),
        ("Ca", "Metastatic breast Ca on chemotherapy.", "cancer"),
        (
            "ALS",
            "Bulbar ALS with fasciculations, riluzole started.",
            "amyotrophic lateral sclerosis",
        ),
        (
            "SLE",
            "SLE with malar rash, ANA positive, hydroxychloroquine.",
            "systemic lupus erythematosus",
        ),
        ("DM", "DM type 2, HbA1c 8.1, on metformin.", "diabetes mellitus"),
        (
            "DM",
            "Heliotrope rash and proximal weakness: DM, CK 4000, muscle biopsy.",
            "dermatomyositis",
        ),
        ("HSM", "Abdomen soft, no HSM.", "hepatosplenomegaly"),
        ("IM", "Given haloperidol 5 mg IM for agitation, injection in deltoid.", "intramuscular"),
        ("PVD", "PVD with claudication, ABI 0.5, toe ulcers.", "peripheral vascular disease"),
        (
            "PVD",
            "Floaters and flashes: PVD, no retinal tear, vitreous.",
            "posterior vitreous detachment",
        ),
        ("ROM", "Shoulder ROM limited, flexion 90 degrees.", "range of motion"),
        (
            "ROM",
            "G1P0 at 39 weeks, ROM at 0400, clear amniotic fluid, contractions.",
            "rupture of membranes",
        ),
    ],
)
def test_the_sense_in_a_note(
    abbreviations: Abbreviations, short: str, text: str, expected: str
) -> None:
    ranked = abbreviations.senses(short, text)
    assert ranked.best is not None
    assert ranked.best.expansion == expected, [(r.sense.expansion, r.score) for r in ranked.senses]
    assert sum(entry.score for entry in ranked.senses) == pytest.approx(1.0)
    scores = [entry.score for entry in ranked.senses]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("short", "text"),
    [
        ("MI", "MI noted."),
        ("MS", "History of MS."),
        ("PE", "PE noted."),
        ("CP", "Known CP."),
        ("RA", "Seen for RA."),
        ("PD", "Longstanding PD."),
    ],
)
def test_it_asks_where_the_text_tells_nothing(
    abbreviations: Abbreviations, short: str, text: str
) -> None:
    ranked = abbreviations.senses(short, text)
    assert (ranked.sure, len(ranked.senses) > 1) == (False, True)


def test_the_texts_own_definition_decides(abbreviations: Abbreviations) -> None:
    text = "The right atrium (RA) was dilated. RA pressure was high in rheumatoid disease."
    ranked = abbreviations.senses("RA", text)
    assert _expansions(ranked)[0] == "right atrium"
    assert (ranked.source, ranked.sure) == ("defined in the text", True)
    assert len(ranked.senses) > 3  # the others stay to be offered


def test_a_definition_that_the_lexicon_lacks_is_a_sense_without_a_concept(
    abbreviations: Abbreviations,
) -> None:
    text = "Quick brown fox syndrome (QBFS) is new. QBFS is rare."
    ranked = abbreviations.senses("QBFS", text)
    assert _expansions(ranked) == ["Quick brown fox syndrome"]
    assert (ranked.best.concept if ranked.best else None, ranked.source) == (
        "",
        "defined in the text",
    )
    text = "Marine isopods (MI) were counted. MI were common."
    ranked = abbreviations.senses("MI", text)
    assert _expansions(ranked)[:2] == ["Marine isopods", "myocardial infarction"]


def test_a_near_spelling_of_a_definition_is_the_lexicons_sense(
    abbreviations: Abbreviations,
) -> None:
    ranked = abbreviations.senses("RA", "Rheumatoid Arthritides (RA) and RA pressure")
    assert ranked.best is not None
    assert ranked.best.expansion == "rheumatoid arthritis"
    assert ranked.best.concept


def test_the_opposite_of_a_definition_is_not_the_lexicons_sense() -> None:
    lexicon = Lexicon(
        [Concept("MED:x", "hypothyroidism", (), "DISO", ())],
        [Sense("HT", "MED:x", "hypothyroidism")],
    )
    ranked = Abbreviations(lexicon).senses("HT", "Hyperthyroidism (HT) is treated.")
    assert _expansions(ranked) == ["Hyperthyroidism", "hypothyroidism"]
    assert ranked.defined == "Hyperthyroidism"


def test_the_only_known_sense_is_told_from_one_that_the_text_supports(
    abbreviations: Abbreviations,
) -> None:
    """No lexicon has every sense: what nothing speaks for may be another one."""
    alone = abbreviations.senses("ARDS", "The ARDS team met.")
    told = abbreviations.senses("ARDS", "ARDS: hypoxia, bilateral infiltrates, ventilator.")
    assert (len(alone.senses), alone.source, told.source) == (1, "frequency", "context")


def test_without_a_text_frequency_decides(abbreviations: Abbreviations) -> None:
    ranked = abbreviations.senses("MI")
    assert (_expansions(ranked)[0], ranked.source) == ("myocardial infarction", "frequency")
    assert ranked.margin == pytest.approx(ranked.senses[0].score - ranked.senses[1].score)


def test_an_unknown_one_is_said_to_be_unknown(abbreviations: Abbreviations) -> None:
    for short in ("XQZW", "", "   ", "(", "no such thing at all", "\u202e"):
        ranked = abbreviations.senses(short, "XQZW was seen (XQZW).")
        assert (ranked.best, ranked.source, ranked.sure) == (None, "unknown", False)


@pytest.mark.parametrize("written", ["BID", "bid", "b.i.d.", "B.I.D.", " BID "])
def test_case_and_points_do_not_matter(abbreviations: Abbreviations, written: str) -> None:
    ranked = abbreviations.senses(written, f"Metformin {written.strip()} with meals.")
    assert _expansions(ranked)[0] == "twice a day"


def test_a_plural(abbreviations: Abbreviations) -> None:
    ranked = abbreviations.senses("DVTs", "Ultrasound of both legs: no DVTs.")
    assert _expansions(ranked)[0] == "deep vein thrombosis"


def test_the_place_counts(abbreviations: Abbreviations) -> None:
    """The same abbreviation, twice in one note."""
    text = (
        "PT and OT saw her for gait training and walker use and advised rehab after discharge "
        "home with family support and daily exercises on stairs. Labs this morning: sodium 140, "
        "potassium 4.1, chloride 101, glucose 98, hemoglobin 12. Coagulation: PT 14, INR 1.2."
    )
    first, second = text.index("PT"), text.rindex("PT")
    assert _expansions(abbreviations.senses("PT", text, first))[0] == "physical therapy"
    assert _expansions(abbreviations.senses("PT", text, second))[0] == "prothrombin time"


def test_in_capitals_case_tells_nothing(abbreviations: Abbreviations) -> None:
    ranked = abbreviations.senses("PT", "PT STATES THAT SHE FEELS BETTER AND DENIES PAIN.")
    assert _expansions(ranked)[0] == "patient"


def test_a_warning_comes_with_the_sense_it_is_for(abbreviations: Abbreviations) -> None:
    drug = abbreviations.senses("MS", "MS 4 mg IV given for pain, dose repeated, opioid.")
    assert drug.caution.startswith("do not use: ")
    disease = abbreviations.senses(
        "MS", "MS with optic neuritis, white matter lesions, interferon and demyelination."
    )
    assert (disease.sure, disease.caution) == (True, "")
    assert abbreviations.senses("COPD", "COPD with wheeze").caution == ""


LEXICON = Lexicon(
    [Concept("X:1", "lime disease", ("limes",), "DISO", ("UMLS:C0000001",))],
    [Sense("LD", "X:1", "lime disease"), Sense("LD", "X:2", "long distance")],
)
FREQUENCIES = [
    Frequency("ld", "disease, lime", "MED:x", 0.2),
    Frequency("ld", "learning disability", "UMLS:C0000009", 0.7),
    Frequency("ld", "long distances", "MED:y", 0.1),
    Frequency("ld", "never met", "MED:z", 0.0),
]


def test_imported_frequencies_come_before_the_lexicons_order() -> None:
    """Its senses are found by name and CUI; what it has beyond the lexicon is added."""
    ranked = Abbreviations(LEXICON, imported=Imported(FREQUENCIES)).senses("LD")
    assert _expansions(ranked) == ["learning disability", "lime disease", "long distance"]
    by_code = Imported([Frequency("ld", "limes borreliosis", "UMLS:C0000001", 1.0)])
    ranked = Abbreviations(LEXICON, imported=by_code).senses("LD")
    assert _expansions(ranked) == ["lime disease", "long distance"]
    assert _expansions(Abbreviations(LEXICON).senses("LD"))[0] == "lime disease"


def test_a_list_of_frequencies_is_imported_as_a_vocabulary(tmp_path: Path) -> None:
    file, store = tmp_path / "notes.txt", tmp_path / "store.sqlite3"
    file.write_text(
        "abbreviation\tsense\tvariation\tCUI\tfrequency\n"
        "ld\tlearning disability\tLD_3|ld_2\tc0000009\t0.9\n"
        "ld\tlime disease\tLD_1\tnull\t0.1\n"
        "ld\tlow density\tLD_1\tnull\tmany\n"
    )
    report = compiler.add(file, store=store)
    assert (report.notes, report.skipped) == (2, 1)
    assert report.problems == ("notes.txt, line 4: 'many' is no frequency, skipped",)
    csv = tmp_path / "more.csv"
    csv.write_text("abbreviation,sense,frequency\nqx,quick exam,12\n")
    compiler.add(csv, store=store)
    with Store(store) as opened:
        imported = Imported.of_store(opened)
    assert [(f.expansion, f.concept) for f in imported.of("L.D.")] == [
        ("learning disability", "UMLS:C0000009"), ("lime disease", "MED:lime-disease"),
    ]  # fmt: skip
    assert [f.frequency for f in imported.of("QX")] == [12.0]
    assert (
        _expansions(Abbreviations(LEXICON, imported=imported).senses("LD"))[0]
        == "learning disability"
    )
    compiler.remove("notes.txt", store=store)
    with Store(store) as opened:
        assert Imported.of_store(opened).of("LD") == []


class _ByWords:
    """An embedder that knows which of two fields a text is from."""

    name, sha256, dimension = "by words", "0", 2

    def embed(self, texts: list[str]) -> np.ndarray:
        rows = np.array(
            [
                [0.1 + ("trip" in t or "distance" in t), 0.1 + ("tick" in t or "lime" in t)]
                for t in texts
            ]
        )
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_an_embedder_is_heard() -> None:
    texts = Background(["Nothing of the kind stands here."])
    ranked = Abbreviations(LEXICON, _ByWords(), texts).senses("LD", "A trip by LD bus.")  # type: ignore[arg-type]
    assert (_expansions(ranked)[0], ranked.source) == ("long distance", "context")
    ranked = Abbreviations(LEXICON, _ByWords(), texts).senses("LD", "A tick and LD.")  # type: ignore[arg-type]
    assert _expansions(ranked)[0] == "lime disease"


def test_the_background_tells_what_stands_around_a_name() -> None:
    texts = Background(
        ["Lime disease comes from ticks in the woods."] * 3
        + ["Long distance buses run at night."] * 3
    )
    ranker = Abbreviations(LEXICON, background=texts)
    assert _expansions(ranker.senses("LD", "The ticks of the woods and LD."))[0] == "lime disease"
    assert _expansions(ranker.senses("LD", "Buses at night, LD."))[0] == "long distance"
    assert texts.profile("lime disease").count == 3
    assert texts.profile("lime tree").count == 0
    assert texts.profile("").count == 0


@pytest.mark.parametrize(
    "text", ["MI", "MI MI MI", "\n" * 50 + "MI", "a" * 100_000 + " MI", "МИ MI 心 \u0301"]
)
def test_odd_texts_are_ranked(abbreviations: Abbreviations, text: str) -> None:
    for at in (None, 0, len(text), len(text) + 10):
        ranked = abbreviations.senses("MI", text, at)
        assert sum(entry.score for entry in ranked.senses) == pytest.approx(1.0)
