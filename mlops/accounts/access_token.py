"""The access token as a JWT: signed and read here, without the database (wire-api section 9)."""

from datetime import datetime, timedelta
from uuid import UUID

import jwt
from django.conf import settings

from mlops.accounts.claims import Claims
from mlops.accounts.keys import LEEWAY_SECONDS as LEEWAY_SECONDS
from mlops.accounts.keys import signing_key, verification_key
from mlops.accounts.models import TokenFamily
from mlops.errors import NotSignedIn

ALGORITHM = "RS512"
ISSUER = "mlops"
AUDIENCE = "mlops"

_REQUIRED_CLAIMS = ["sub", "jti", "sid", "iat", "nbf", "exp", "iss", "aud"]
_REFUSAL = "The access token is not valid: sign in again with POST /login."
_EXPIRED = "The access token has expired: renew it with POST /login/refreshToken or sign in again."


def sign(family: TokenFamily, access_id: UUID, now: datetime) -> tuple[str, int]:
    """The access token `access_id` of `family`'s user, and when it expires in Unix seconds.

    Roles are not in it: they are looked up at each call, so that a change of groups counts at once.
    """
    user = family.user
    issued_on = int(now.timestamp())
    expires_on = int((now + timedelta(seconds=settings.ACCESS_TOKEN_SECONDS)).timestamp())
    claims = {
        "sub": user.username,
        "upn": user.username,
        "name": user.get_full_name() or user.username,
        "email": user.email,
        "jti": str(access_id),
        "sid": family.login_session_id,
        "iat": issued_on,
        "nbf": issued_on,
        "exp": expires_on,
        "iss": ISSUER,
        "aud": AUDIENCE,
    }
    key = signing_key()
    token = jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.id})
    return token, expires_on


def read(token: str) -> Claims:
    """The claims of a token that this installation signed and that has not expired.

    Raises NotSignedIn for everything else: other algorithms, keys, issuers and audiences, text
    that is no token at all. The header's `kid` only chooses among our own keys.
    """
    try:
        key = verification_key(jwt.get_unverified_header(token).get("kid", ""))
        if key is None:
            raise NotSignedIn(_REFUSAL)
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            leeway=LEEWAY_SECONDS,
            options={"require": _REQUIRED_CLAIMS},
        )
        return Claims(UUID(claims["jti"]), str(claims["sid"]), int(claims["exp"]))
    except jwt.ExpiredSignatureError:
        raise NotSignedIn(_EXPIRED) from None
    except (jwt.PyJWTError, ValueError):
        raise NotSignedIn(_REFUSAL) from None


def refusal() -> NotSignedIn:
    """The error for a well-signed token that its family no longer backs."""
    return NotSignedIn(_REFUSAL)
