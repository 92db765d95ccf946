"""A new key for access tokens, in steps during which every token counts on every web node."""

import os
import secrets
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from mlops.accounts import audit, keys, tokens
from mlops.accounts.serving import operator
from mlops.errors import Conflict


def prepare_next_key() -> str:
    """The id of a new key that is to sign later; tokens of it count here from now on.

    Raises Conflict when one is prepared already.
    """
    if keys.next_file().exists():
        raise Conflict(
            f"{keys.next_file()} is there already: it becomes the key with the rotation."
        )
    keys.signing_key()
    with transaction.atomic():
        _write(keys.next_file(), keys.new_pem())
        key_id = keys.accepted_keys()[1].id
        audit.record("prepare token key", user=operator(), object=key_id)
    return key_id


def rotate_key(*, is_compromised: bool = False) -> str:
    """The id of the key that signs from now on: the prepared one, or a new one.

    Tokens of the former one count for as long as they live, unless it `is_compromised`: then every
    login that has one is ended, and a prepared key is not used. Raises Conflict while tokens of an
    even earlier key may live.
    """
    if is_compromised:
        tokens.revoke_signed_with([key.id for key in keys.accepted_keys()])
        for other in (keys.next_file(), keys.former_file()):
            other.unlink(missing_ok=True)
    elif seconds := keys.former_counts_for():
        raise Conflict(
            f"The key was replaced lately. Wait {-(-seconds // 60):.0f} minutes, until the last "
            "token of the former one has expired."
        )
    file: Path = settings.TOKEN_SIGNING_KEY_FILE
    keys.signing_key()
    if not keys.next_file().exists():
        _write(keys.next_file(), keys.new_pem())
    key_id = keys.accepted_keys()[1].id
    with transaction.atomic():
        audit.record("rotate token key", user=operator(), object=key_id)
        if not is_compromised:
            _write(keys.former_file(), file.read_text())
        keys.next_file().replace(file)
    return key_id


def disagreement() -> str:
    """What to tell administrators when another web node signs with a key unknown here; else ""."""
    unknown = tokens.keys_unknown_here(timezone.now())
    if not unknown:
        return ""
    return (
        f"Another web node signs access tokens with key {', '.join(sorted(unknown))}, which is "
        "unknown here: give all web nodes the same MLOPS_TOKEN_SIGNING_KEY_FILE. Each refuses the "
        "others' tokens until then."
    )


def _write(path: Path, pem: str) -> None:
    """Put the key there, whole, for its owner only."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(pem)
    draft.replace(path)
