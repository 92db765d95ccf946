"""What a capacity evaluation is to do (admin.md section 11)."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from mlops.errors import InvalidRequest

LATENCY, THREAD = "latency", "thread"
STRATEGIES = LATENCY, THREAD

MOST_THREADS = 500  # of any evaluation: further ones would only measure who calls
MOST_STEPS = 60
_MOST_SECONDS = 120
_LONGEST_SECONDS = 3000  # all steps together; a token is good for an hour


@dataclass(frozen=True, slots=True)
class Options:
    """How many threads call what, and when it ends."""

    strategy: str
    latency: float = 250.0  # milliseconds
    min_threads: int = 10
    max_threads: int = 50
    increment: int = 10
    seconds: float = 10.0  # of each step
    service: str = ""  # a name and version; the default service when empty
    version: str = ""
    inputs: str = "{}"

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """The options that JSON holds, checked."""
        return cls(**values).checked()

    def checked(self) -> Self:
        """Themselves; raises InvalidRequest naming the option that cannot be right."""
        if self.strategy not in STRATEGIES:
            raise InvalidRequest(f"The strategy is {' or '.join(STRATEGIES)}.", fields="strategy")
        for name, least, most in (
            ("latency", 1, 600_000),
            ("min_threads", 1, MOST_THREADS),
            ("max_threads", 1, MOST_THREADS),
            ("increment", 1, MOST_THREADS),
            ("seconds", 0.1, _MOST_SECONDS),
        ):
            if not least <= getattr(self, name) <= most:
                said = name.replace("_", " ")
                raise InvalidRequest(f"{said} is from {least} to {most:,}.", fields=name)
        if self.max_threads < self.min_threads:
            raise InvalidRequest("max threads is less than min threads.", fields="max_threads")
        n_steps = len(self.steps())
        if n_steps > MOST_STEPS or n_steps * self.seconds > _LONGEST_SECONDS:
            raise InvalidRequest(
                f"That could be {n_steps} steps of {self.seconds:g} s: at most {MOST_STEPS} steps "
                f"and {_LONGEST_SECONDS // 60} minutes are run. Give it a larger increment.",
                fields="increment",
            )
        if bool(self.service) != bool(self.version):
            raise InvalidRequest("Give both a service and its version.", fields="service")
        self._check_inputs()
        return self

    def _check_inputs(self) -> None:
        try:
            is_object = isinstance(json.loads(self.inputs), dict)
        except ValueError as error:
            raise InvalidRequest(f"The inputs are no JSON: {error}.", fields="inputs") from None
        if not is_object:
            raise InvalidRequest("The inputs are a JSON object, as in {}.", fields="inputs")

    def steps(self) -> range:
        """The numbers of threads; the strategy latency stops when it is reached."""
        most = self.max_threads
        if self.strategy == LATENCY:
            longest = min(MOST_STEPS, int(_LONGEST_SECONDS // self.seconds))
            most = min(MOST_THREADS, self.min_threads + self.increment * (longest - 1))
        return range(self.min_threads, most + 1, self.increment)

    def as_json(self) -> dict[str, Any]:
        """All of them."""
        return asdict(self)
