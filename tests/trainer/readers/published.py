"""Small hand-made files in the published format of each data set; no text of theirs."""

import csv
import json
from pathlib import Path
from typing import Any

from medllm.reference import builtin_cards

PATIENTS = [
    {
        "patient_id": str(number),
        "patient_uid": f"{900 + number}-1",
        "PMID": str(900 + number),
        "title": f"Title {number}",
        "patient": f"A {30 + number}-year-old with complaint number {number}.",
        "age": [[30.0 + number, "year"]],
        "gender": "F",
        "relevant_articles": {"907": 2, "1": 1} if number == 6 else {},
        "similar_patients": {"901-1": 1, "900-1": 2} if number == 6 else {},
    }
    for number in range(8)
]
CHOICES = [
    {"question": "Which organ pumps blood?", "opa": "Liver", "opb": "Lung", "opc": "Skin",
     "opd": "Heart", "cop": 4, "exp": "The heart pumps.", "subject_name": "Anatomy",
     "topic_name": None, "id": "m-1", "choice_type": "single"},
    {"question": "Which one is a vitamin?", "opa": "Retinol", "opb": "Iron", "opc": "Zinc",
     "opd": "Salt", "cop": 1, "exp": None, "subject_name": "Biochemistry",
     "topic_name": None, "id": "m-2", "choice_type": "multi"},
]  # fmt: skip
PUBMED = {
    "101": {"QUESTION": "Does rest help?", "CONTEXTS": ["Rest was tried.", "It was measured."],
            "LABELS": ["AIM", "METHOD"], "MESHES": ["Rest"], "YEAR": "2001",
            "reasoning_required_pred": "yes", "reasoning_free_pred": "yes",
            "final_decision": "yes", "LONG_ANSWER": "Rest helped in this study."},
    "102": {"QUESTION": "Is light bad?", "CONTEXTS": ["Light was measured."], "LABELS": ["AIM"],
            "MESHES": [], "LONG_ANSWER": "It was not.", "final_decision": "no"},
}  # fmt: skip
ON_HUB = {
    "pubid": 101, "question": "Does rest help?",
    "context": {"contexts": ["Rest was tried.", "It was measured."], "labels": ["AIM", "METHOD"],
                "meshes": ["Rest"], "reasoning_required_pred": ["yes"]},
    "long_answer": "Rest helped in this study.", "final_decision": "yes",
}  # fmt: skip
MEDQA = {
    "question": "A man coughs. What is next?", "answer": "Listen",
    "options": {"A": "Wait", "B": "Listen", "C": "Leave", "D": "Sing"},
    "meta_info": "step1", "answer_idx": "B",
}  # fmt: skip
NOTE = {
    "original_id": 7, "note": "Name: ___. Admitted with a broken leg.", "extended_context": False,
    "note_id": "1-DS-2", "subject_id": 1, "hadm_id": 3, "note_type": "DS", "human_verified": True,
    "qa_pairs": [{"question": "Why was the patient admitted?", "answer": "A broken leg.",
                  "correct": True},
                 {"question": "Which arm broke?", "answer": "The left one.", "correct": False},
                 {"question": "Which bone?", "answer": "The note says leg."}],
}  # fmt: skip
CLICR = {
    "version": "1.0",
    "data": [{"source": "bcr-1", "document": {
        "title": "A rash", "context": "The patient had BEG__psoriasis__END and was treated.",
        "qas": [{"id": "bcr-1.1", "query": "Treatment of @placeholder takes BEG__time__END .",
                 "answers": [{"text": "psoriasis vulgaris", "origin": "UMLS", "cui": "C1"},
                             {"text": "psoriasis", "origin": "dataset", "cui": "C1"}]}]}}],
}  # fmt: skip
_LINE = "-" * 30
BIOREAD = (
    f"@entity1 is found in @entity2 .\n{_LINE}\nXXXXXX carries oxygen .\n{_LINE}\n"
    f"@entity1: haemoglobin\n@entity2: red blood cells\n{_LINE}\n@entity1: haemoglobin\n"
)
BIOREAD_PART = (
    f"{BIOREAD}{'=' * 30}\n@entity4 follows = @entity7 .\n{_LINE}\nFever needs XXXXXX .\n{_LINE}\n"
    f"@entity4:rest\n@entity7:work\n{_LINE}\n@entity4:rest\n{'=' * 30}\n"
)
BIOMRC = {
    "abstract": "@entity9 hurts.", "title": "Relief of XXXX.", "answer": "@entity9 :: x",
    "entities_list": ["@entity9 :: ('MESH:D1', 'Disease') :: ['migraine', 'Migraine']"],
}  # fmt: skip
HEALTHQA = (
    "1\twhat is flu ?\tFlu is an infection of the airways .,\n0\twhat is flu ?\tBones are hard .,\n"
)
_FINDINGS = (
    "No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,"
    "Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,"
    "Support Devices"
)
CHEXPERT = (
    f"Path,Sex,Age,Frontal/Lateral,AP/PA,{_FINDINGS}\n"
    "CheXpert-v1.0/train/patient90001/study1/view1.jpg,Female,31,Frontal,AP,"
    ",,1.0,,,-1.0,,,,0.0,,,,1.0\n"
    "CheXpert-v1.0/train/patient90002/study1/view1.jpg,Male,40,Lateral,,1.0,,,,,,,,,,,,,\n"
)
_PLUS = {
    "path_to_image": "train/patient90003/study1/view1_frontal.jpg", "frontal_lateral": "Frontal",
    "deid_patient_id": "patient90003", "report": "FINDINGS: ...", "section_findings": "",
    "section_impression": "", "age": 50.0, "sex": "Male", "split": "train",
}  # fmt: skip
CHEXPERT_PLUS = [
    _PLUS | {"section_findings": "Clear lungs.\nNormal heart.", "section_impression": "Normal."},
    _PLUS | {"section_impression": "Without findings."},
    _PLUS | {"section_findings": "Held out.", "section_impression": "Held.", "split": "valid",
             "path_to_image": "valid/patient90009/study1/view1_frontal.jpg"},
]  # fmt: skip
_UNSAID = dict.fromkeys(_FINDINGS.split(","))
CHEXPERT_LABELS = [
    _UNSAID | {"path_to_image": f"{split}/patient90004/study1/view1_frontal.jpg", "Edema": 1.0}
    for split in ("train", "valid")
]


def write(folder: Path) -> dict[str, Path]:
    """The files, by reader and layout."""
    folder.mkdir(parents=True, exist_ok=True)
    card = next(card for card in builtin_cards() if card.split == "train")
    made = {
        "cards": _lines(folder / "cards.jsonl", [card.model_dump(mode="json")]),
        "pairs": _lines(folder / "pairs.jsonl", [
            {"id": "p1", "topic": "flu", "speciality": "general medicine",
             "question": "What is flu?", "answer": "An infection.", "reviewed": True},
            {"id": "p2", "topic": "flu", "speciality": "general medicine",
             "question": "Unread?", "answer": "Unread.", "reviewed": False}]),
        "dialogues": _lines(folder / "dialogues.jsonl", [
            {"id": "d1", "kind": "follow-up", "speciality": "neurology", "reviewed": True,
             "turns": [_turn("user", "What is flu?"), _turn("assistant", "An infection."),
                       _turn("user", "Is it common?"), _turn("assistant", "Yes.")]}]),
        "chat": _lines(folder / "chat.jsonl", [
            {"messages": [_turn("system", "Be kind."), _turn("user", "Hi?"),
                          _turn("assistant", "Hello.")]},
            {"id": "s", "conversations": [{"from": "human", "value": "Hi?"},
                                          {"from": "gpt", "value": "Hello."}]}]),
        "pubmedqa": _whole(folder / "ori_pqal.json", PUBMED),
        "pubmedqa-hub": _lines(folder / "hub.jsonl", [ON_HUB]),
        "flashcards": _whole(folder / "flashcards.json", [
            {"instruction": "Answer this question truthfully", "input": "What is flu?",
             "output": "An infection."}]),
        "medmcqa": _lines(folder / "train.json", CHOICES),
        "medqa": _lines(folder / "train.jsonl", [MEDQA]),
        "medqa-mirage": _whole(folder / "benchmark.json", {
            "mmlu": {"0": {"question": "?"}},
            "medqa": {"0000": {k: MEDQA[k] for k in ("question", "options")} | {"answer": "B"}}}),
        "ehr-ds-qa": _whole(folder / "mimic_iv_note_qa.json", [NOTE]),
        "ehr-ds-qa-csv": _table(folder / "mimic_iv_note_qa.csv", [NOTE]),
        "pmc-patients": _whole(folder / "PMC-Patients.json", PATIENTS),
        "pmc-patients-csv": _table(folder / "PMC-Patients.csv", PATIENTS),
        "clicr": _whole(folder / "train1.0.json", CLICR),
        "bioread": folder / "xx0001",
        "bioread-part": folder / "train_part_0.txt",
        "bioread-biomrc": _lines(folder / "biomrc.jsonl", [BIOMRC]),
        "healthqa": folder / "pinfo-mz-train.txt",
        "chexpert": folder / "train.csv",
        "chexpert-plus": _table(folder / "df_chexpert_plus_240401.csv", CHEXPERT_PLUS),
        "chexpert-labels": _lines(folder / "findings_fixed.json", CHEXPERT_LABELS),
    }  # fmt: skip
    made["bioread"].write_text(BIOREAD)
    made["bioread-part"].write_text(BIOREAD_PART)
    made["healthqa"].write_text(HEALTHQA)
    made["chexpert"].write_text(CHEXPERT)
    return made


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _lines(file: Path, rows: list[dict[str, Any]]) -> Path:
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return file


def _whole(file: Path, content: Any) -> Path:
    file.write_text(json.dumps(content, indent=2), encoding="utf-8")
    return file


def _table(file: Path, rows: list[dict[str, Any]]) -> Path:
    with open(file, "w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return file
