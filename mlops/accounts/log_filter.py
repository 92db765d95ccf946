"""Refresh tokens that travel in addresses (wire-api section 1) stay out of every log."""

import logging
import re

_TOKEN_IN_ADDRESS = re.compile(r"(refreshtoken(?:/|=|%3d))[^&\s\"'#\\]+", re.IGNORECASE)


class RedactRefreshTokens(logging.Filter):
    """Blots out what follows `refreshToken=` or `refreshToken/` in each record of a handler."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: the record is kept, its text redacted."""
        text = record.getMessage()
        redacted = _TOKEN_IN_ADDRESS.sub(r"\1***", text)
        if redacted != text:
            record.msg, record.args = redacted, None
        return True
