"""How a line of the action log looks (administration section 12).

2026-11-20 18:15:09.917 +00:00 [Information] {"CorrelationId":"…","Subject":{…}}
"""

import logging
from datetime import UTC, datetime


class ActionLine(logging.Formatter):
    """The line as administrators' tools know it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record whose message is the JSON."""
        moment = datetime.fromtimestamp(record.created, UTC)
        time = moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03}"
        return f"{time} +00:00 [Information] {record.getMessage()}"
