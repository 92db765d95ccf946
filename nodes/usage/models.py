"""The table of the recorded load of compute nodes."""

from django.db import models

from mlops.usage.recorded import Recorded


class NodeUsage(Recorded):
    """Looks at a node in a minute or an hour, `of` its address; at all of them, where that is "".

    Everything is added up over `looks`: divided by their number, it is the mean.
    """

    looks = models.PositiveBigIntegerField(default=0)
    # Nodes in each state: of a single one, how many looks found it in that.
    ready = models.PositiveBigIntegerField(default=0)
    degraded = models.PositiveBigIntegerField(default=0)
    draining = models.PositiveBigIntegerField(default=0)
    down = models.PositiveBigIntegerField(default=0)
    unknown = models.PositiveBigIntegerField(default=0)
    python_busy = models.PositiveBigIntegerField(default=0)
    python_shells = models.PositiveBigIntegerField(default=0)
    r_busy = models.PositiveBigIntegerField(default=0)
    r_shells = models.PositiveBigIntegerField(default=0)
    running = models.PositiveBigIntegerField(default=0)  # calls
    queued = models.PositiveBigIntegerField(default=0)  # the same
    answers = models.PositiveBigIntegerField(default=0)  # nodes of which the time is known
    milliseconds = models.FloatField(default=0)  # that they took to answer a look

    class Meta:
        verbose_name = "recorded load of a compute node"
        verbose_name_plural = "recorded load of compute nodes"
        constraints = [
            models.UniqueConstraint(
                fields=["of", "resolution", "minute"], name="unique_node_usage"
            ),
        ]
        indexes = [models.Index(fields=["resolution", "minute"], name="node_usage_by_minute")]
