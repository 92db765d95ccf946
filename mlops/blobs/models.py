"""Content-addressed bytes: chunked rows of the database, so that all web nodes share them."""

from django.db import models


class Blob(models.Model):
    """Immutable bytes; `digest` is their SHA-256 in hex, null while they are still being written.

    `saved_at` is when somebody last wrote to it or saved the same bytes again: the sweep leaves
    a blob alone for an hour from then.
    """

    digest = models.CharField(max_length=64, unique=True, null=True)  # noqa: DJ001 - null: unfinished
    size = models.BigIntegerField(default=0)
    saved_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.digest or "unfinished"


class BlobChunk(models.Model):
    """One piece of a blob, `index` counting from 0."""

    blob = models.ForeignKey(Blob, on_delete=models.CASCADE, related_name="chunks")
    index = models.IntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["blob", "index"], name="unique_blob_chunk")]

    def __str__(self) -> str:
        return f"{self.blob_id}/{self.index}"
