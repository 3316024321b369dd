"""The settings by which S3 and Glue are reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.config import Config


@dataclass(frozen=True, slots=True)
class ObjectSettings:
    """What S3 is told with requests, as S3Hook's ``extra_args`` and ``requester_pays`` call it.

    Args:
        encryption: ``AES256``, ``aws:kms`` or ``aws:kms:dsse``; empty for the bucket's own.
        kms_key: The KMS key's ID or ARN; empty for the bucket's or the account's.
        bucket_key: Whether S3 uses a key of the bucket; None for the bucket's own setting.
        requester_pays: Whether who asks pays.
    """

    encryption: str = ""
    kms_key: str = ""
    bucket_key: bool | None = None
    requester_pays: bool = False


@dataclass(frozen=True, slots=True)
class S3Access:
    """How S3 and Glue are reached, where the AWS environment and its profiles do not say it alone.

    Args:
        endpoint: The S3 server's URL; None for what the environment or the profile says.
        region: The region; None for what the environment or the profile says.
        session: Gives a boto3 session, whose credentials are used and renewed; None for one of the
            environment.
        config: The botocore configuration: proxies, time limits, addressing.
        verify: A file of certificate authorities, or False to verify no certificate; None for what
            the environment says.
        settings: What S3 is told with requests; None for what the environment says.
        glue_endpoint: Glue's URL; None for what the environment or the profile says.
        glue_catalog: Whose catalog: an AWS account's number; None for the credentials' own.

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
