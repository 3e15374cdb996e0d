"""The sentences in which a stream is refused, each with the lines of config to add."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from target_promoter.errors import ConfigError
from target_promoter.records.advice import Advice, config_of, lines


class UnknownStreamError(ConfigError):
    """A stream has none of Segment's shapes, and the config does not say what it is."""

    def __init__(self, advice: Advice, pattern: str) -> None:
        """Build the sentence; `pattern` is the stream's name, or the glob that the config has for it."""
        self.advice = advice
        out = lines(advice.stream, {"type": "ignore"})
        told = f"{advice.why}: leave it out with\n{out}"
        if not advice.ignores:
            read = json.dumps(config_of([replace(advice, stream=pattern)]), ensure_ascii=False)
            told = (
                "say in the setting `streams` what it is, such as (`traits` being the columns that may be sent)\n"
                f"{read}\nor leave it out with\n{out}"
            )
        super().__init__(
            f"Stream `{advice.stream}` has none of Segment's shapes: {told}\n"
            "`target-promoter check --input FILE` gives the lines for all streams of an input at once."
        )


class MissingFieldError(ConfigError):
    """A stream's schema has no column for a field that its type cannot do without."""

    def __init__(self, stream: str, stream_type: str, fields: str, lines: str) -> None:
        """Build the sentence.

        Args:
            fields: The fields, any one of which would do.
            lines: The config, as JSON, that would mend it.
        """
        super().__init__(
            f"Stream `{stream}` has no column for {fields}, which a stream of type {stream_type} cannot do without: "
            f"say in the setting `streams` which it is, such as\n{lines}"
        )


class MissingColumnError(ConfigError):
    """The config names a column that a stream's schema does not have."""

    def __init__(self, stream: str, field: str, column: str, known: Iterable[str]) -> None:
        """Build the sentence.

        Args:
            field: The field, or `traits`, for which the config names the column.
        """
        super().__init__(
            f"Stream `{stream}` has no column `{column}`, which the setting `streams` names for `{field}`: "
            f"name one of {', '.join(known)}."
        )
