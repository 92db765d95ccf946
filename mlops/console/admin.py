"""Brings the console's own pages onto the site."""

from mlops.console import pages as pages
from mlops.console import palette as palette
