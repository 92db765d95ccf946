"""The container of a realtime model: the ASCII bytes `blob`, a format tag, the payload.

The tag has four ASCII characters. Formats known so far: `ONNX`, a serialized ONNX model.
"""

from .errors import ModelRefused

MAGIC = b"blob"
ONNX = b"ONNX"
HEADER_BYTES = len(MAGIC) + len(ONNX)
# No serialized protocol buffer is longer, and so no ONNX model that needs nothing beside it.
MAX_PAYLOAD_BYTES = 2 * 1024**3 - 1
MODEL_FILE = "model.onnx"

_HOW_TO_MAKE = (
    "Make one with realtime_model of the Python package mlops_realtime, which converts "
    "scikit-learn, XGBoost and LightGBM models, or put the eight bytes blobONNX before any "
    "ONNX model."
)


def require_onnx(header: bytes, payload_size: int) -> None:
    """Nothing; `ModelRefused` unless the first bytes and the size are those of an ONNX model."""
    if header[: len(MAGIC)] != MAGIC:
        raise ModelRefused(f"A realtime model begins with the four bytes blob. {_HOW_TO_MAKE}")
    if len(header) < HEADER_BYTES or payload_size <= 0:
        raise ModelRefused(
            f"The model ends after {len(header) + max(payload_size, 0)} bytes: after blob come a "
            f"format tag of four bytes, ONNX, and the serialized model. {_HOW_TO_MAKE}"
        )
    tag = header[len(MAGIC) :]
    if tag != ONNX:
        raise ModelRefused(
            f"The model's format tag is {_shown(tag)}; this server knows ONNX. A model serialized "
            "by rx_serialize_model or rxSerializeModel has a proprietary format that nothing but "
            "Microsoft's own server reads: fit the model again with an open library and convert "
            f"that one. {_HOW_TO_MAKE}"
        )
    if payload_size > MAX_PAYLOAD_BYTES:
        raise ModelRefused("An ONNX model cannot be larger than 2 GiB; this one is.")


def _shown(tag: bytes) -> str:
    if all(32 < byte < 127 for byte in tag):
        return tag.decode("ascii")
    return "0x" + tag.hex()
