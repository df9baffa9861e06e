"""Words as the index knows them: stems, so that "renal tumours" meets "tumor of the kidney"."""

from functools import lru_cache

from medllm.terminology import tokens
from medllm.terminology.normalise import GREEK

LONGEST = 40
"""Characters of a word; longer ones are data, not words."""

STOP_WORDS = frozenset(
    """
    a about after all also am an and any are as at be because been being but by can could did do
    does doing for from had has have having he her hers him his how i if in into is it its itself
    just me more most my no nor not of on or other our ours out over own she should so some such
    than that the their theirs them then there these they this those to too under until up us was
    we were what when where which while who whom why will with would you your yours s t
    """.split()
)
"""Words of no topic; left out of the index and of questions."""
ASKING = frozenset(
    """
    cause caused causes define definition describe explain explanation find get give happen help
    info information know me mean meaning means need please stand stands symptom symptoms sign
    signs tell term treat treated treatment treatments understand work works diagnose diagnosed
    diagnosis prevent prevention risk outlook complication complications test tests exam exams
    people many much affected affect research trial clinical related done new stage stages
    """.split()
)
"""Words of asking about a topic; they are looked for, but name nothing by themselves."""

# Words that mean the same of a part, an age, a cause or a state, besides those that the stems
# of medllm.terminology.tokens bring together; and plurals that no rule makes.
_SAME = {
    same: word
    for word, others in {
        "abdomen": "abdominal belly", "abscess": "abscesses", "adolescent": "teen teenage teenager",
        "anus": "anal", "artery": "arterial", "asthma": "asthmatic", "anaphylaxis": "anaphylactic",
        "bacterium": "bacteria bacterial", "bile": "biliary", "bladder": "vesical",
        "bleeding": "hemorrhage hemorrhagic haemorrhage haemorrhagic bleed bleeds",
        "bone": "bony osseous", "chest": "thorax thoracic", "child": "children childhood pediatric",
        "colon": "colonic", "cornea": "corneal", "diabetes": "diabetic", "ear": "aural",
        "epilepsy": "epileptic", "esophagus": "esophageal oesophagus oesophageal gullet",
        "eye": "ocular ophthalmic", "face": "facial", "foot": "feet", "fracture": "broken",
        "fungus": "fungi fungal", "gum": "gingiva gingival", "hearing": "auditory",
        "hypertension": "hypertensive", "infection": "infections infectious infected infect",
        "itching": "itch itchy pruritus pruritic", "joint": "articular",
        "larynx": "laryngeal", "lymph": "lymphatic", "man": "men", "mouth": "oral",
        "newborn": "neonatal neonate", "nose": "nasal", "obesity": "obese",
        "pancreas": "pancreatic", "pelvis": "pelvic", "penis": "penile",
        "poisoning": "poison poisonous poisoned", "pregnancy": "pregnant gestational gestation",
        "rectum": "rectal", "spleen": "splenic", "surgery": "surgical surgeries",
        "swelling": "edema oedema edematous swollen", "syphilis": "syphilitic",
        "testicle": "testicular testis testes", "throat": "pharyngeal pharynx",
        "tongue": "lingual", "tooth": "teeth dental", "toxic": "toxicity",
        "trachea": "tracheal windpipe", "trauma": "traumatic", "uterus": "uterine womb",
        "vein": "venous", "vertebra": "vertebral vertebrae", "virus": "viral viruses",
        "woman": "women",
    }.items()
    for same in others.split()
}  # fmt: skip
_NEW_GROWTH, _MALIGNANT, _CARCINOMA = map(tokens.stem, ("cancer", "malignant", "carcinoma"))


def terms(text: str) -> list[str]:
    """Stems of the words of `text`, in its order, stop words left out."""
    return [found for word in tokens.split(text) if (found := term(word))]


@lru_cache(1 << 18)
def term(word: str) -> str:
    """The stem of one word, "" for a stop word; a Greek letter is its name."""
    folded = tokens.folded(word)
    folded = GREEK.get(folded, folded)
    if folded in STOP_WORDS or len(folded) > LONGEST:
        return ""
    bare = tokens.singular(folded)
    return tokens.stem(_SAME.get(folded, _SAME.get(bare, bare))).replace("'", "")


def bag(text: str) -> str:
    """The words of a name whatever their order: "skin cancer" is "malignant neoplasm of skin"."""
    found = {_NEW_GROWTH if word == _CARCINOMA else word for word in terms(text)}
    return " ".join(sorted(found - {_MALIGNANT} if _NEW_GROWTH in found else found))


def topic(text: str) -> list[str]:
    """Folded words of a question, without stop words and the words of asking."""
    said = [tokens.folded(word) for word in tokens.split(text)]
    return [word for word in said if word not in STOP_WORDS and word not in ASKING]
