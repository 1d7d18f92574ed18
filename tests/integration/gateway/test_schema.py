"""Any call that the OpenAPI document allows, and many that it does not."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import (
    positive_data_acceptance,
    unsupported_method,
    use_after_free,
)
from schemathesis.specs.openapi.schemas import OpenApiSchema

from tests.support.network.gateway import GatewayProcess

OPERATIONS = (
    ("GET", "/healthz"),
    ("GET", "/metrics"),
    ("GET", "/readyz"),
    ("GET", "/v1/batches"),
    ("GET", "/v1/batches/{batch_id}"),
    ("GET", "/v1/files"),
    ("GET", "/v1/files/{file_id}"),
    ("GET", "/v1/files/{file_id}/content"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/{model}"),
    ("GET", "/v1/receipts/{job_id}"),
    ("DELETE", "/v1/files/{file_id}"),
    ("POST", "/v1/batches"),
    ("POST", "/v1/batches/{batch_id}/cancel"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/files"),
)
# A call of the right form can still be refused: a prompt may be too long, a model
# unknown, a budget spent. The key's budget is nothing, so that no example posts a job.
EXCLUDED = [positive_data_acceptance, unsupported_method, use_after_free]
EXAMPLES = 20


@pytest.fixture(scope="module")
def document(gateway: GatewayProcess) -> OpenApiSchema:
    return schemathesis.openapi.from_url(f"{gateway.url}/openapi.json")


@pytest.fixture(scope="module")
def headers(gateway: GatewayProcess) -> dict[str, str]:
    """A key that can pay for nothing."""
    return {"Authorization": f"Bearer {gateway.key(budget=0)[1]}"}


@pytest.mark.parametrize(
    ("mode", "method", "path"),
    [
        pytest.param(mode, *operation, id=f"{mode.value} {' '.join(operation)}")
        for mode in GenerationMode
        for operation in OPERATIONS
        # Without parameters nothing can be wrong.
        if mode is GenerationMode.POSITIVE or operation[1].startswith("/v1/")
    ],
)
def test_endpoint_of_any_call_keeps_to_its_document(
    document: OpenApiSchema,
    headers: dict[str, str],
    mode: GenerationMode,
    method: str,
    path: str,
) -> None:
    operation = document[path][method]

    @settings(
        max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(headers=headers, excluded_checks=EXCLUDED)

    check()


def test_answer_of_a_real_call_has_the_documented_form(
    document: OpenApiSchema, gateway: GatewayProcess
) -> None:
    raw = gateway.client().completions.with_raw_response.create(
        model="austen", prompt="Emma", max_tokens=2, logprobs=1
    )
    # Raises, and says where, if it has not.
    document["/v1/completions"]["POST"].validate_response(raw.http_response)
    wrong = document["/v1/models"]["GET"]
    assert not wrong.is_valid_response(raw.http_response)


def test_document_names_exactly_the_endpoints_tried_here(
    document: OpenApiSchema,
) -> None:
    paths = document.raw_schema["paths"]
    found = {(m.upper(), path) for path, methods in paths.items() for m in methods}
    assert found == set(OPERATIONS)
