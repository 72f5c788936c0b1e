"""The types of flags that a server generates. Mypy checks that this file uses them correctly."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import pytest
from flag_types_example import CODE_DEFAULTS, FlagClient, Flags, flag_client
from openfeature import api
from openfeature.flag_evaluation import FlagEvaluationDetails

from pennon_openfeature import PennonProvider


@pytest.fixture
def client() -> Iterator[FlagClient]:
    domain = str(uuid.uuid4())
    flags = {key: value for key, value in CODE_DEFAULTS.items() if key != "region"}
    api.set_provider_and_wait(PennonProvider(flags=flags), domain)
    yield flag_client(api.get_client(domain))
    api.clear_providers()


def test_values_have_the_types_of_the_flags(client: FlagClient) -> None:
    is_beta: bool = client.get_boolean_value("beta", False)
    theme: Literal["dark", "light", "system"] = client.get_string_value("theme", "dark")
    greeting: str = client.get_string_value("greeting", "Hi")
    retries: int = client.get_integer_value("retries", 1)
    ratio: float = client.get_float_value("ratio", 0.5)
    limits: Mapping[str, Any] = client.get_object_value("limits", {})
    assert (is_beta, theme, retries) == (True, "system", 30)
    assert (greeting[:8], ratio, limits["max"]) == ("Welcome!", 1.0, 10)


def test_a_flag_without_a_value_has_its_code_default(client: FlagClient) -> None:
    defaults: Flags = {**CODE_DEFAULTS}
    details: FlagEvaluationDetails[Literal["eu", "us"]] = client.get_string_details(
        "region", defaults["region"]
    )
    assert (details.value, details.error_code) == ("eu", "FLAG_NOT_FOUND")


async def evaluate_all(client: FlagClient) -> tuple[bool, str]:
    """Coroutines have the same types."""
    details = await client.get_boolean_details_async("new-checkout", False)
    return details.value, await client.get_string_value_async("region", "us")


def test_mistakes_are_errors_of_the_type_checker(client: FlagClient) -> None:
    client.get_boolean_value("new-chekcout", False)  # type: ignore[arg-type]
    client.get_boolean_value("theme", False)  # type: ignore[arg-type]
    client.get_string_value("theme", "green")  # type: ignore[call-overload]
    client.get_integer_value("retries", "3")  # type: ignore[arg-type]
