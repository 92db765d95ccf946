"""What a password must contain: the rule that administrators know from the original server."""

import re
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError

if TYPE_CHECKING:
    from mlops.accounts.models import User

MINIMUM_LENGTH = 8
# Other characters are welcome, but do not count as the required special one.
SPECIAL_CHARACTERS = r"~!@#$%^&()-_+=|<>\/;:,."

_REQUIREMENTS = {
    f"at least {MINIMUM_LENGTH} characters": re.compile(rf".{{{MINIMUM_LENGTH}}}", re.DOTALL),
    "an upper-case letter": re.compile("[A-Z]"),
    "a lower-case letter": re.compile("[a-z]"),
    "a digit": re.compile("[0-9]"),
    f"one of {SPECIAL_CHARACTERS}": re.compile(f"[{re.escape(SPECIAL_CHARACTERS)}]"),
}


class PasswordRuleValidator:
    """A validator for AUTH_PASSWORD_VALIDATORS."""

    def validate(self, password: str, user: "User | None" = None) -> None:  # noqa: ARG002
        """Raise ValidationError that names everything that is missing."""
        missing = [name for name, found in _REQUIREMENTS.items() if not found.search(password)]
        if missing:
            raise ValidationError(f"The password needs {', '.join(missing)}.", "password_rule")

    def get_help_text(self) -> str:
        """The whole rule in a sentence."""
        return f"The password needs {', '.join(_REQUIREMENTS)}."
