"""Answers questions with the Python engine: a JSON line {flagSet, flagKey, context} in, one out.

    python tests/answer_lines.py < questions.jsonl

A line may also be a list of questions; then the line out is the list of their answers.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from wire import answer_json, problem_json

from pennon_openfeature._engine import compile, evaluate  # noqa: A004


def answered(question: dict[str, Any]) -> dict[str, Any]:
    compiled = compile(question["flagSet"])
    answer = evaluate(compiled, question["flagKey"], question["context"])
    return {"answer": answer_json(answer), "problems": list(map(problem_json, compiled.problems))}


def answer_line(line: str) -> str:
    asked = json.loads(line)
    return json.dumps(list(map(answered, asked)) if isinstance(asked, list) else answered(asked))


if __name__ == "__main__":
    for each in sys.stdin:
        sys.stdout.write(answer_line(each) + "\n")
        sys.stdout.flush()
