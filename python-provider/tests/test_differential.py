"""The Python engine and the TypeScript engine agree."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from evaluate_lines import evaluate_line
from generated import EvaluationRequest, damaged, evaluation_request, locations
from json_forms import same_json
from repository import NODE, shared_cases

from pennon_openfeature._engine import diff_flag_sets

SEED = 20_260_131
BATCHES = 100
REQUESTS_PER_BATCH = 500

Json = dict[str, Any]


def to_json(value: object) -> str:
    """One line of JSON; 1e999 stands for infinity, which no double can represent."""
    return json.dumps(value).replace("Infinity", "1e999")


def start_typescript() -> subprocess.Popen[str]:
    driver = Path(__file__).with_name("typescript_engine.mjs")
    return subprocess.Popen(
        [str(NODE), str(driver)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


class TypescriptEngine:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin
        assert process.stdout
        self._input, self._output = process.stdin, process.stdout

    def __call__(self, requests: list[EvaluationRequest]) -> list[Json]:
        self.send(to_json(requests))
        return self.receive()

    def send(self, line: str) -> None:
        """Starts a batch, which is evaluated while this process continues."""
        self._input.write(line + "\n")
        self._input.flush()

    def receive(self) -> list[Json]:
        results: list[Json] = json.loads(self._output.readline())
        return results


@pytest.fixture(scope="module")
def typescript() -> Iterator[TypescriptEngine]:
    with start_typescript() as process:
        yield TypescriptEngine(process)


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


class BatchResult(NamedTuple):
    batch: int
    reasons: Counter[str]
    # The first request about which the engines disagree.
    difference: EvaluationRequest | None


def compare_batch(batch: int) -> BatchResult:
    """Runs in a worker process. The same number always generates the same requests."""
    random = Random(f"{SEED}-{batch}")
    requests = [evaluation_request(random) for _ in range(REQUESTS_PER_BATCH)]
    line = to_json(requests)
    typescript = _engine_of_worker()
    typescript.send(line)
    ours: list[Json] = json.loads(evaluate_line(line))
    reasons: Counter[str] = Counter()
    for request, their, our in zip(requests, typescript.receive(), ours, strict=True):
        if differ(their, our):
            return BatchResult(batch, reasons, request)
        reasons[our["result"].get("errorCode", our["result"]["reason"])] += 1
    return BatchResult(batch, reasons, None)


@cache
def _engine_of_worker() -> TypescriptEngine:
    """The engine of a worker process. It ends with that process, which closes its input."""
    return TypescriptEngine(start_typescript())


def test_both_engines_evaluate_generated_flags_alike(typescript: TypescriptEngine) -> None:
    reasons: Counter[str] = Counter()
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as workers:
        for result in workers.map(compare_batch, range(BATCHES)):
            if result.difference is not None:
                workers.shutdown(wait=False, cancel_futures=True)
                found = report(shrink(result.difference, typescript), typescript)
                pytest.fail(f"batch {result.batch} of seed {SEED}: {found}", pytrace=False)
            reasons += result.reasons
    assert reasons.total() == BATCHES * REQUESTS_PER_BATCH
    assert reasons.keys() == {
        *("STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT", "DISABLED"),
        *("FLAG_NOT_FOUND", "PARSE_ERROR", "TARGETING_KEY_MISSING"),
    }
    assert min(reasons.values()) > reasons.total() / 500, reasons


def test_both_engines_evaluate_damaged_cases_alike(typescript: TypescriptEngine) -> None:
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


def test_both_engines_describe_problems_with_the_same_sentences(
    typescript: TypescriptEngine,
) -> None:
    names = ("flagSet", "flagKey", "context")
    requests = [{name: case[name] for name in names} for case in shared_cases()]
    for request, theirs, ours in zip(requests, typescript(requests), python(requests), strict=True):
        assert messages(ours) == messages(theirs), to_json(request)


def messages(evaluated: Json) -> set[str]:
    """All messages with their paths. Those about patterns are from different libraries."""
    problems = [f"{problem['path']}: {problem['message']}" for problem in evaluated["problems"]]
    texts = [*problems, evaluated["result"].get("errorMessage", "")]
    return {re.sub(r"(`matches` must ).*", r"\1", text) for text in texts}


def test_both_engines_find_the_same_differences_between_flag_sets(
    typescript: TypescriptEngine,
) -> None:
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


def shrink(request: EvaluationRequest, typescript: TypescriptEngine) -> EvaluationRequest:
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


def report(request: EvaluationRequest, typescript: TypescriptEngine) -> str:
    return "\n".join(
        [
            "the engines disagree about",
            json.dumps(request, indent=2).replace("Infinity", "1e999"),
            f"TypeScript: {json.dumps(typescript([request])[0])}",
            f"Python:     {json.dumps(python([request])[0])}",
        ]
    )
