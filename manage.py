#!/usr/bin/env python
"""Run a management command of the mlops project."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import InterfaceError, OperationalError

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mlops.settings")
    try:
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except BrokenPipeError:  # who reads what is printed has enough of it, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)  # as a program that the signal of a closed pipe has ended
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    except (InterfaceError, OperationalError) as error:
        from mlops.database import explanation

        sys.exit(explanation(error))
