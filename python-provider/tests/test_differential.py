"""The Python and the TypeScript engine answer the same questions alike."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from answer_lines import answer_line
from generated import OPERATORS, Question, damaged, places, question
from repository import NODE, shared_cases
from wire import same_json

SEED = 20_260_131
QUESTIONS = 50_000
BATCH = 500

Ask = Callable[[list[Question]], list[dict[str, Any]]]


def written(questions: list[Question]) -> str:
    """One line of JSON; what is infinite is written as a number that no double can hold."""
    return json.dumps(questions).replace("Infinity", "1e999")


@pytest.fixture(scope="module")
def typescript() -> Iterator[Ask]:
    driver = Path(__file__).with_name("typescript_engine.mjs")
    with subprocess.Popen(
        [str(NODE), str(driver)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def ask(questions: list[Question]) -> list[dict[str, Any]]:
            assert process.stdin
            assert process.stdout
            process.stdin.write(written(questions) + "\n")
            process.stdin.flush()
            answers: list[dict[str, Any]] = json.loads(process.stdout.readline())
            return answers

        yield ask


def python(questions: list[Question]) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = json.loads(answer_line(written(questions)))
    return answers


def comparable(answered: dict[str, Any]) -> dict[str, Any]:
    """All of an answer but the wording of its message."""
    answer = {name: value for name, value in answered["answer"].items() if name != "errorMessage"}
    problems = sorted({(problem["flagKey"], problem["path"]) for problem in answered["problems"]})
    return {"answer": answer, "problems": problems}


def differ(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return not same_json(comparable(one), comparable(other))


def test_both_engines_answer_the_generated_questions_alike(typescript: Ask) -> None:
    random = Random(SEED)
    reasons: dict[str, int] = {}
    for _ in range(QUESTIONS // BATCH):
        questions = [question(random) for _ in range(BATCH)]
        theirs, ours = typescript(questions), python(questions)
        for asked, their, our in zip(questions, theirs, ours, strict=True):
            if differ(their, our):
                pytest.fail(report(shrunk(asked, typescript), typescript), pytrace=False)
            answer = our["answer"]
            kind = answer.get("errorCode", answer["reason"])
            reasons[kind] = reasons.get(kind, 0) + 1
    assert reasons.keys() == {
        *("STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT", "DISABLED"),
        *("FLAG_NOT_FOUND", "PARSE_ERROR", "TARGETING_KEY_MISSING"),
    }
    assert min(reasons.values()) > QUESTIONS / 500, reasons


def test_both_engines_answer_damaged_cases_alike(typescript: Ask) -> None:
    random = Random(SEED)
    for case in shared_cases():
        names = ("flagSet", "flagKey", "context")
        asked = [{name: copy.deepcopy(case[name]) for name in names} for _ in range(5)]
        for each in asked:
            each["flagSet"] = damaged(each["flagSet"], random)
        for each, their, our in zip(asked, typescript(asked), python(asked), strict=True):
            if differ(their, our):
                pytest.fail(report(shrunk(each, typescript), typescript), pytrace=False)


def test_every_operator_is_generated() -> None:
    random = Random(SEED)
    text = written([question(random) for _ in range(BATCH)])
    assert all(f'"{operator}"' in text for operator in OPERATORS)


def shrunk(asked: Question, typescript: Ask) -> Question:
    """The smallest question found, by leaving parts out, that both still answer differently."""
    while True:
        smaller = next(
            (each for each in _simpler(asked) if differ(*typescript([each]), *python([each]))), None
        )
        if smaller is None:
            return asked
        asked = smaller


def _simpler(asked: Question) -> Iterator[Question]:
    count = len(list(places(asked)))
    for index in range(count):
        holder, place = list(places(asked))[index]
        if holder is asked:
            continue
        without = copy.deepcopy(asked)
        holder, place = list(places(without))[index]
        del holder[place]
        yield without


def report(asked: Question, typescript: Ask) -> str:
    return "\n".join(
        [
            "the engines differ about",
            json.dumps(asked, indent=2).replace("Infinity", "1e999"),
            f"TypeScript: {json.dumps(typescript([asked])[0])}",
            f"Python:     {json.dumps(python([asked])[0])}",
        ]
    )
