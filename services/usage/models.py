"""The table of recorded scoring."""

from django.db import models

from mlops.usage.recorded import Recorded


class Usage(Recorded):
    """What was scored in a minute or an hour: of everything, a service, a version or on a node.

    `of` says which, see `services.usage.scopes`. `t0` to `t15` tell how many calls took up to each
    of the bounds in `nodes.runtime.figures.SECONDS`, the last one how many took longer: columns of
    their own, so that processes can add to each at the same time.
    """

    calls = models.PositiveBigIntegerField(default=0)
    failures = models.PositiveBigIntegerField(default=0)  # of user code: runs without success
    faults = models.PositiveBigIntegerField(default=0)  # of ours: HTTP 500 and above
    seconds = models.FloatField(default=0)
    t0 = models.PositiveBigIntegerField(default=0)
    t1 = models.PositiveBigIntegerField(default=0)
    t2 = models.PositiveBigIntegerField(default=0)
    t3 = models.PositiveBigIntegerField(default=0)
    t4 = models.PositiveBigIntegerField(default=0)
    t5 = models.PositiveBigIntegerField(default=0)
    t6 = models.PositiveBigIntegerField(default=0)
    t7 = models.PositiveBigIntegerField(default=0)
    t8 = models.PositiveBigIntegerField(default=0)
    t9 = models.PositiveBigIntegerField(default=0)
    t10 = models.PositiveBigIntegerField(default=0)
    t11 = models.PositiveBigIntegerField(default=0)
    t12 = models.PositiveBigIntegerField(default=0)
    t13 = models.PositiveBigIntegerField(default=0)
    t14 = models.PositiveBigIntegerField(default=0)
    t15 = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["of", "resolution", "minute"], name="unique_usage"),
        ]
        indexes = [models.Index(fields=["resolution", "minute"], name="usage_by_minute")]
