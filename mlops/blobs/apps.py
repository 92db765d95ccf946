"""The blobs app: content-addressed storage."""

from django.apps import AppConfig


class BlobsConfig(AppConfig):
    """Snapshots and models as content-addressed blobs."""

    name = "mlops.blobs"
    label = "blobs"
