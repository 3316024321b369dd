"""Unfinished multipart uploads.

S3 keeps and charges for their parts, but shows them in no listing of objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.core.io.error_text import safe_cause, safe_message
from airflow_sfx.storage.aws_config import s3_client
from airflow_sfx.storage.aws_session import session_of
from airflow_sfx.storage.s3_access import S3Access


@dataclass(frozen=True, slots=True)
class Upload:
    """An unfinished multipart upload.

    Args:
        key: The key of the object to be created.
        upload_id: The server's identifier of the upload.
        begun: When it began.
    """

    key: str
    upload_id: str
    begun: datetime


class Uploads:
    """The unfinished uploads of a bucket; boto3 has calls for them, obstore none.

    Args:
        bucket: The bucket.
        access: How S3 is reached.
    """

    def __init__(self, bucket: str, access: S3Access) -> None:
        self._bucket = bucket
        self._client: Any = s3_client(access, session_of(access), access.config)

    def below(self, prefix: str) -> Iterator[Upload]:
        """Yield the uploads of objects whose keys begin with a prefix.

        Args:
            prefix: The prefix.

        Raises:
            WarehouseUnavailable: They cannot be listed.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        pages = self._client.get_paginator("list_multipart_uploads")
        try:
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
                for one in page.get("Uploads", ()):
                    if one["Key"].startswith(prefix):
                        yield Upload(one["Key"], one["UploadId"], one["Initiated"])
        except (BotoCoreError, ClientError) as error:
            raise WarehouseUnavailable(
                f"cannot list unfinished uploads below s3://{self._bucket}/{prefix}:"
                f" {safe_message(error)}. Give these credentials s3:ListBucketMultipartUploads and"
                " s3:AbortMultipartUpload, or the bucket a lifecycle rule that aborts them"
            ) from safe_cause(error)

    def abort(self, upload: Upload) -> None:
        """Abort an upload, which deletes its parts; do nothing if it is gone.

        Args:
            upload: The upload.

        Raises:
            WarehouseUnavailable: It cannot be aborted.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client.abort_multipart_upload(
                Bucket=self._bucket, Key=upload.key, UploadId=upload.upload_id
            )
        except self._client.exceptions.NoSuchUpload:
            return
        except (BotoCoreError, ClientError) as error:
            raise WarehouseUnavailable(
                f"cannot abort the unfinished upload of s3://{self._bucket}/{upload.key}:"
                f" {safe_message(error)}. Give these credentials s3:AbortMultipartUpload, or the"
                " bucket a lifecycle rule that aborts such uploads"
            ) from safe_cause(error)
