"""The web node's ASGI application: its layers around Django, the outermost first.

Correlation   gives the request its id, and every answer the header
CORS          answers preflights, and marks every answer for browsers; where it is turned on
ActionLog     notes the request and how it was answered
LastResort    answers for the layers below when they fail
BodyLimit     refuses bodies that are too large
ScoringLane   answers hot scoring calls
"""

import os
from typing import Any, cast

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mlops.settings")

# Before the other layers are imported: it sets Django up, which they need.
_django = get_asgi_application()

from django.conf import settings  # noqa: E402

from mlops.accounts.action_log import ActionLog  # noqa: E402
from mlops.body_limit import BodyLimit  # noqa: E402
from mlops.correlation import Correlation  # noqa: E402
from mlops.cors import with_cors  # noqa: E402
from mlops.last_resort import LastResort  # noqa: E402
from services.lane import ScoringLane  # noqa: E402

_answered = LastResort(BodyLimit(ScoringLane(cast(Any, _django))))
application = Correlation(with_cors(ActionLog(_answered), settings.CORS_ORIGINS))
