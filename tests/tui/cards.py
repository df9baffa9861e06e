"""Cards of the tests' own, so that a screen's picture doesn't change with the curated ones."""

from medllm.reference import ReferenceCard, WordPart

HYPERTENSION = ReferenceCard(
    id="hypertension",
    term="Hypertension",
    category="terminology",
    split="train",
    speciality="cardiology",
    synonyms=("High blood pressure",),
    codes=("DOID:10763",),
    definition="Hypertension is blood pressure that stays above the usual range over time.",
    explanation="Blood pressure depends on how much blood the heart pumps and on how much the "
    "small arteries resist the flow. In most adults no single cause is found.",
    clinical_relevance="It often causes no symptoms, so it is found by measuring. Over years it "
    "strains the heart, brain, kidneys and eyes.",
    safety_note="Very high readings with chest pain, severe headache or trouble seeing need "
    "emergency care at once. 高血圧 · ضغط الدم",
    plain="The heart pushes blood through tubes. Here the push is too strong.",
    word_parts=(WordPart(part="hyper-", meaning="above"),),
    reviewed=True,
)
HYPOTENSION = HYPERTENSION.model_copy(
    update={
        "id": "hypotension",
        "term": "Hypotension",
        "synonyms": ("Low blood pressure",),
        "codes": (),
        "definition": "Hypotension is blood pressure below the usual range.",
    }
)
CARDS = (HYPERTENSION, HYPOTENSION)
