"""The web node's ASGI application: correlation → last resort → body limit → lane → Django."""

import os
from typing import Any, cast

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mlops.settings")

# Before the other layers are imported: it sets Django up, which they need.
_django = get_asgi_application()

from mlops.body_limit import BodyLimit  # noqa: E402
from mlops.correlation import Correlation  # noqa: E402
from mlops.last_resort import LastResort  # noqa: E402
from services.lane import ScoringLane  # noqa: E402

application = Correlation(LastResort(BodyLimit(ScoringLane(cast(Any, _django)))))
