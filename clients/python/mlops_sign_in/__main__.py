"""python -m mlops_sign_in: sign in with a code, and keep the access token in a file."""

import argparse
import sys
from pathlib import Path

from mlops_sign_in import SignInFailed, access_token, write_privately


def main() -> int:
    """0 once the token is in the file, 1 when there is none."""
    parser = argparse.ArgumentParser(prog="python -m mlops_sign_in", description=__doc__)
    parser.add_argument("file", type=Path, help="where the access token goes, for you alone")
    parser.add_argument("--authority", required=True, help="address of the tenant or provider")
    parser.add_argument("--client-id", required=True, help="id of the native application there")
    parser.add_argument("--audience", required=True, help="id of the server's application there")
    parser.add_argument("--scope", default="", help="what to ask for, if the provider needs it")
    parser.add_argument("--ca", type=Path, help="PEM file with the authorities of a private one")
    options = parser.parse_args()
    try:
        token = access_token(
            options.authority,
            client_id=options.client_id,
            audience=options.audience,
            scope=options.scope,
            ca=options.ca,
            show=_say,
        )
        write_privately(token, options.file)
    except (SignInFailed, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _say(f"The access token is in {options.file}.")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
