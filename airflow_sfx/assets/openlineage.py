"""OpenLineage's name of a table: its directory, with batch IDs as the version.

Spark's own integration also names a Hive table by its location, so both name the same dataset:
https://openlineage.io/docs/spec/naming/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_sfx.core.io.uris import clean_uri

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.sdk import Asset


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Dataset | None:
    """Return the dataset of an asset of hook lineage.

    Args:
        asset: The asset, with the pin's location and batch IDs in its extra.
        lineage_context: The hook; not used.

    Returns:
        The dataset, or None if the asset has no location.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from openlineage.client.facet_v2 import dataset_version_dataset, symlinks_dataset

    location, ids = asset.extra.get("location"), asset.extra.get("batch_ids")
    if not isinstance(location, str) or not isinstance(ids, list):
        return None
    parts = urlsplit(clean_uri(location))
    space = f"{parts.scheme}://{parts.netloc}" if parts.netloc else parts.scheme
    table = asset.uri.partition("://")[2].replace("/", ".")
    hive = symlinks_dataset.Identifier(namespace=space, name=table, type="TABLE")
    return Dataset(
        namespace=space,
        name=parts.path.lstrip("/") if parts.netloc else parts.path,
        facets={
            "version": dataset_version_dataset.DatasetVersionDatasetFacet(
                datasetVersion=",".join(map(str, ids))
            ),
            "symlinks": symlinks_dataset.SymlinksDatasetFacet(identifiers=[hive]),
        },
    )
