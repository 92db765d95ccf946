"""The end of a web node, without a request lost on a connection that is kept.

A client or a load balancer that sends its next request on a kept connection while the node closes
it cannot know whether it was run. So a node that is told to stop goes on for a moment, and each of
its answers says that it is the last one on its connection.
"""

from mlops.corked import CorkedHttpProtocol


class PartingHttpProtocol(CorkedHttpProtocol):
    """uvicorn's protocol, of a process whose node may be `is_parting`."""

    is_parting = False

    @classmethod
    def part(cls) -> None:
        """Have every answer from now on be the last on its connection."""
        cls.is_parting = True

    def on_headers_complete(self) -> None:
        """Take a request."""
        super().on_headers_complete()
        if self.is_parting:
            self.cycle.keep_alive = False
