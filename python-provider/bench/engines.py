"""Each engine, called with the least overhead that its documentation describes."""

from __future__ import annotations

import copy
import logging
import tempfile
from collections.abc import Callable
from typing import Any, TypeAlias

import flags
from openfeature.evaluation_context import EvaluationContext

from pennon_openfeature._engine import Served, compile, evaluate  # noqa: A004

# Evaluates one flag for one subject. Everything that a caller can prepare per subject is prepared.
Evaluate: TypeAlias = Callable[[], object]
Engine: TypeAlias = Callable[[str, dict[str, Any]], Evaluate]


def pennon_engine() -> Engine:
    compiled = compile(flags.pennon())
    return lambda flag, subject: lambda: evaluate(compiled, flag, subject)


def flagd_engine() -> Engine:
    from openfeature.contrib.tools.flagd.core import FlagdCore

    core = FlagdCore()
    core.set_flags(flags.flagd())

    def engine(flag: str, subject: dict[str, Any]) -> Evaluate:
        attributes = {name: value for name, value in subject.items() if name != "targetingKey"}
        context = EvaluationContext(subject["targetingKey"], attributes)
        if flag == "split":
            return lambda: core.resolve_string_value(flag, "red", context)
        return lambda: core.resolve_boolean_value(flag, False, context)

    return engine


def growthbook_engine() -> Engine:
    from growthbook import GrowthBook

    features = flags.growthbook()

    def engine(flag: str, subject: dict[str, Any]) -> Evaluate:
        # One instance per subject, as its documentation recommends; creating it is not measured.
        book = GrowthBook(attributes=subject, features=copy.deepcopy(features))
        return lambda: book.eval_feature(flag)

    return engine


def unleash_engine() -> Engine:
    from UnleashClient.cache import FileCache
    from UnleashClient.clients.unleash_client import UnleashClient

    logging.getLogger("UnleashClient").setLevel(logging.CRITICAL)
    cache = FileCache("pennon-bench", directory=tempfile.mkdtemp())
    cache.bootstrap_from_dict(flags.unleash())
    client = UnleashClient(
        url="http://127.0.0.1:9/api",
        app_name="pennon-bench",
        disable_metrics=True,
        disable_registration=True,
        cache=cache,
    )
    client.initialize_client(fetch_toggles=False)

    def engine(flag: str, subject: dict[str, Any]) -> Evaluate:
        properties = {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in subject.items()
            if name != "targetingKey"
        }
        context = {"userId": subject["targetingKey"], "properties": properties}
        if flag == "split":
            return lambda: client.get_variant(flag, context)
        return lambda: client.is_enabled(flag, context)

    return engine


ENGINES: dict[str, Callable[[], Engine]] = {
    "pennon": pennon_engine,
    "openfeature-flagd-core": flagd_engine,
    "growthbook": growthbook_engine,
    "UnleashClient": unleash_engine,
}


def is_on(result: object) -> bool:
    """The value of a boolean flag in the result of any engine."""
    if isinstance(result, bool):
        return result
    if isinstance(result, Served):
        return result.value is True
    return getattr(result, "value", False) is True
