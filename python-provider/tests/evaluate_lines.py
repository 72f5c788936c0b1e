"""Evaluates with the Python engine: a JSON line {flagSet, flagKey, context} in, a result out.

    python tests/evaluate_lines.py < requests.jsonl

A line may also be a list of requests; the line out is then the list of their results.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from json_forms import evaluation_json, problem_json

from pennon_openfeature._engine import compile, evaluate  # noqa: A004


def evaluated(request: dict[str, Any]) -> dict[str, Any]:
    compiled = compile(request["flagSet"])
    result = evaluate(compiled, request["flagKey"], request["context"])
    problems = list(map(problem_json, compiled.problems))
    return {"result": evaluation_json(result), "problems": problems}


def evaluate_line(line: str) -> str:
    request = json.loads(line)
    is_batch = isinstance(request, list)
    return json.dumps(list(map(evaluated, request)) if is_batch else evaluated(request))


if __name__ == "__main__":
    for each in sys.stdin:
        sys.stdout.write(evaluate_line(each) + "\n")
        sys.stdout.flush()
