"""For how long to leave alone what keeps not going well."""

_FAILURES_IN_A_ROW = 3  # fewer may be an accident
_PAUSE_MAX_SECONDS = 60.0


class Patience:
    """Counts failures in a row; from the third on each is followed by a longer pause."""

    __slots__ = ("_n_failures", "_paused_until")

    def __init__(self) -> None:
        self._n_failures = 0
        self._paused_until = 0.0

    def is_lost(self, now: float) -> bool:
        """Whether it is to be left alone at this time, in seconds of any clock."""
        return now < self._paused_until

    def note_success(self) -> None:
        """It went well: all is forgiven."""
        self._n_failures = 0

    def note_failure(self, now: float) -> bool:
        """It went wrong once more; whether it has just been lost for the first time in a row."""
        self._n_failures += 1
        excess = self._n_failures - _FAILURES_IN_A_ROW
        if excess >= 0:
            self._paused_until = now + min(_PAUSE_MAX_SECONDS, 2.0**excess)
        return excess == 0
