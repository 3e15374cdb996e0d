"""The SDK's standard tests of a target, against the embedded sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import get_target_test_class

from target_promoter.target import TargetPromoter

if TYPE_CHECKING:
    from pathlib import Path

_BY_ID: dict[str, Any] = {"type": "identify", "fields": {"user_id": "id"}, "traits": ["*"]}

# Everything of theirs is a person by its key. `test_invalid_schema` is left out: its SCHEMA must be refused.
STREAMS: dict[str, Any] = {
    **dict.fromkeys(("example_stream", "record_missing_fields", "test_strings*", "test_no_pk"), _BY_ID),
    **dict.fromkeys(("test_array_*", "test_duplicate_*", "test_multiple_*", "test_optional_*"), _BY_ID),
    **dict.fromkeys(("test_record_*", "test_schema_*"), _BY_ID),
    "TestCamelcase": {"type": "identify", "fields": {"user_id": "Id", "first_name": "clientName"}},
    "ForecastingTypeToCategory": {**_BY_ID, "fields": {"user_id": "Id"}},
    "test_object_schema_*": {"type": "identify", "fields": {"user_id": "object_store.id"}, "traits": ["*"]},
    "test:SpecialChars!in?attributes": {**_BY_ID, "fields": {"user_id": "_id"}},
}

Standard = get_target_test_class(TargetPromoter, config={"api_url": "sandbox", "streams": STREAMS})


class TestStandard(Standard):  # type: ignore[misc, valid-type] # made by the SDK
    """The SDK's standard tests; each has a store and an account of its own."""

    @pytest.fixture(autouse=True)
    def _own_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
