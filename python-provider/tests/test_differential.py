"""The Python engine and the TypeScript engine agree."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from evaluate_lines import evaluate_line
from generated import EvaluationRequest, damaged, evaluation_request, locations
from json_forms import same_json
from repository import NODE, shared_cases

from pennon_openfeature._engine import diff_flag_sets

SEED = 20_260_131
REQUESTS = 50_000
BATCH = 500

Json = dict[str, Any]
# Runs a batch of requests in an engine.
Engine = Callable[[list[EvaluationRequest]], list[Json]]


def to_json(value: object) -> str:
    """One line of JSON; 1e999 stands for infinity, which no double can represent."""
    return json.dumps(value).replace("Infinity", "1e999")


@pytest.fixture(scope="module")
def typescript() -> Iterator[Engine]:
    driver = Path(__file__).with_name("typescript_engine.mjs")
    with subprocess.Popen(
        [str(NODE), str(driver)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def run(requests: list[EvaluationRequest]) -> list[Json]:
            assert process.stdin
            assert process.stdout
            process.stdin.write(to_json(requests) + "\n")
            process.stdin.flush()
            results: list[Json] = json.loads(process.stdout.readline())
            return results

        yield run


def python(requests: list[EvaluationRequest]) -> list[Json]:
    results: list[Json] = json.loads(evaluate_line(to_json(requests)))
    return results


def comparable(evaluated: Json) -> Json:
    """Everything except the messages."""
    result = {name: value for name, value in evaluated["result"].items() if name != "errorMessage"}
    problems = sorted({(problem["flagKey"], problem["path"]) for problem in evaluated["problems"]})
    return {"result": result, "problems": problems}


def differ(one: Json, other: Json) -> bool:
    return not same_json(comparable(one), comparable(other))


def test_both_engines_evaluate_generated_flags_alike(typescript: Engine) -> None:
    random = Random(SEED)
    reasons: dict[str, int] = {}
    for _ in range(REQUESTS // BATCH):
        requests = [evaluation_request(random) for _ in range(BATCH)]
        theirs, ours = typescript(requests), python(requests)
        for request, their, our in zip(requests, theirs, ours, strict=True):
            if differ(their, our):
                pytest.fail(report(shrink(request, typescript), typescript), pytrace=False)
            result = our["result"]
            reason = result.get("errorCode", result["reason"])
            reasons[reason] = reasons.get(reason, 0) + 1
    assert reasons.keys() == {
        *("STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT", "DISABLED"),
        *("FLAG_NOT_FOUND", "PARSE_ERROR", "TARGETING_KEY_MISSING"),
    }
    assert min(reasons.values()) > REQUESTS / 500, reasons


def test_both_engines_evaluate_damaged_cases_alike(typescript: Engine) -> None:
    random = Random(SEED)
    for case in shared_cases():
        names = ("flagSet", "flagKey", "context")
        requests = [{name: copy.deepcopy(case[name]) for name in names} for _ in range(5)]
        for request in requests:
            request["flagSet"] = damaged(request["flagSet"], random)
        for request, their, our in zip(
            requests, typescript(requests), python(requests), strict=True
        ):
            if differ(their, our):
                pytest.fail(report(shrink(request, typescript), typescript), pytrace=False)


def test_both_engines_describe_problems_with_the_same_sentences(typescript: Engine) -> None:
    names = ("flagSet", "flagKey", "context")
    requests = [{name: case[name] for name in names} for case in shared_cases()]
    for request, theirs, ours in zip(requests, typescript(requests), python(requests), strict=True):
        assert messages(ours) == messages(theirs), to_json(request)


def messages(evaluated: Json) -> set[str]:
    """All messages with their paths. Those about patterns are from different libraries."""
    problems = [f"{problem['path']}: {problem['message']}" for problem in evaluated["problems"]]
    texts = [*problems, evaluated["result"].get("errorMessage", "")]
    return {re.sub(r"(`matches` must ).*", r"\1", text) for text in texts}


def test_both_engines_find_the_same_differences_between_flag_sets(typescript: Engine) -> None:
    random = Random(SEED)
    pairs = []
    for _ in range(2_000):
        previous = evaluation_request(random)["flagSet"]
        current = damaged(previous, random)
        for _ in range(random.randint(0, 2)):
            current = damaged(current, random)
        if isinstance(flags := current.get("flags"), dict):
            for flag in flags.values():
                # As if the flag was edited on the server.
                if isinstance(flag, dict) and random.random() < 0.2:
                    flag["version"] = random.randint(1, 9)
        # Parsed, because in the JSON of both engines equal numbers have one form.
        pairs.append(json.loads(to_json({"previous": previous, "current": current})))
    indirect = without_effect = 0
    for pair, theirs in zip(pairs, typescript(pairs), strict=True):
        diff = diff_flag_sets(pair["previous"], pair["current"])
        ours = {
            "changed": {
                "flags": sorted(diff.changed.flags),
                "segments": sorted(diff.changed.segments),
            },
            "affected": sorted(diff.affected),
        }
        assert ours == theirs, to_json(pair)
        indirect += len(diff.affected - diff.changed.flags)
        without_effect += len(diff.changed.flags - diff.affected)
    assert indirect > 100
    assert without_effect > 100


def shrink(request: EvaluationRequest, typescript: Engine) -> EvaluationRequest:
    """Removes parts of a request while the engines still disagree about it."""
    while True:
        smaller = next(
            (each for each in _smaller(request) if differ(*typescript([each]), *python([each]))),
            None,
        )
        if smaller is None:
            return request
        request = smaller


def _smaller(request: EvaluationRequest) -> Iterator[EvaluationRequest]:
    for index, (holder, _) in enumerate(list(locations(request))):
        if holder is request:
            continue
        smaller = copy.deepcopy(request)
        copied_holder, name = list(locations(smaller))[index]
        del copied_holder[name]
        yield smaller


def report(request: EvaluationRequest, typescript: Engine) -> str:
    return "\n".join(
        [
            "the engines disagree about",
            json.dumps(request, indent=2).replace("Infinity", "1e999"),
            f"TypeScript: {json.dumps(typescript([request])[0])}",
            f"Python:     {json.dumps(python([request])[0])}",
        ]
    )
