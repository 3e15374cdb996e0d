"""The sentences in which a stream is refused, each with the lines of config that mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_promoter.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable


class UnknownStreamError(ConfigError):
    """A stream has none of Segment's shapes, and the config does not say what it is."""

    def __init__(self, stream: str, lines: str, ignoring: str) -> None:
        """Build the sentence.

        Args:
            lines: The config, as JSON, that says what it may be.
            ignoring: The config, as JSON, that leaves it out.
        """
        super().__init__(
            f"Stream `{stream}` has none of Segment's shapes: add what it is to the setting `streams`, such as\n"
            f"{lines}\n(with `traits` for the columns that may leave as attributes), or leave it out with\n{ignoring}"
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
