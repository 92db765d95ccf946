"""What can be wrong with a realtime model; the texts are for people."""
# ruff: noqa: N818 (named for what happened)


class ModelRefused(Exception):
    """The model cannot be served; the text is for its publisher and says what to do."""


class ModelFailed(Exception):
    """The model raised an error on its input; the text says which."""


class CallFailed(Exception):
    """The call has a result, with `success` false; the text is its message."""
