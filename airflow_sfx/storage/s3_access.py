"""The settings by which S3 and Glue are reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.config import Config


@dataclass(frozen=True, slots=True)
class ObjectSettings:
    """Settings of requests to S3, as S3Hook's ``extra_args`` and ``requester_pays``.

    Args:
        encryption: ``AES256``, ``aws:kms`` or ``aws:kms:dsse``; empty for the bucket's default.
        kms_key: The KMS key's ID or ARN; empty for the bucket's or the account's default.
        bucket_key: Whether S3 uses a bucket key; None for the bucket's setting.
        requester_pays: Whether the requester pays for requests.
    """

    encryption: str = ""
    kms_key: str = ""
    bucket_key: bool | None = None
    requester_pays: bool = False


@dataclass(frozen=True, slots=True)
class S3Access:
    """Settings of S3 and Glue that override the AWS environment and its profiles.

    Args:
        endpoint: The S3 server's URL; None for that of the environment or the profile.
        region: The region; None for that of the environment or the profile.
        session: Returns a boto3 session, whose credentials are used and renewed; None for a session
            of the environment.
        config: The botocore configuration: proxies, time limits, addressing; None for the default.
        verify: A file of certificate authorities, or False to verify no certificates; None for the
            setting of the environment.
        settings: Settings of requests to S3; None for those of the environment.
        glue_endpoint: Glue's URL; None for that of the environment or the profile.
        glue_catalog: The AWS account that owns the Glue catalog; None for that of the credentials.

    Example:
        >>> S3Access(endpoint="http://127.0.0.1:8333").endpoint
        'http://127.0.0.1:8333'
    """

    endpoint: str | None = None
    region: str | None = None
    session: Callable[[], Any] | None = field(default=None, repr=False)
    config: Config | None = field(default=None, repr=False)
    verify: bool | str | None = None
    settings: ObjectSettings | None = None
    glue_endpoint: str | None = None
    glue_catalog: str | None = None
