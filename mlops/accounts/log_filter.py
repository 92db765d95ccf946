"""Refresh tokens that travel in addresses (wire-api section 1) stay out of every log.

So do API keys, wherever somebody puts them by mistake.
"""

import logging
import re

_API_KEY = re.compile(r"(mlops_[0-9a-f]{16}_)[0-9a-f]{64,}")
_TOKEN_IN_ADDRESS = re.compile(r"(refreshtoken(?:/|=|%3d))[^&\s\"'#\\]+", re.IGNORECASE)


class RedactRefreshTokens(logging.Filter):
    """Blots out what follows `refreshToken=` or `refreshToken/`, and the secrets of API keys."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: the record is kept, its text redacted."""
        text = record.getMessage()
        redacted = _API_KEY.sub(r"\1***", _TOKEN_IN_ADDRESS.sub(r"\1***", text))
        if redacted != text:
            record.msg, record.args = redacted, None
        return True
