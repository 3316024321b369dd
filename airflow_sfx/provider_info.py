"""The metadata that Airflow's provider discovery reads.

The plugin has an entry point of its own and is not listed here as well: if Airflow loads providers
eagerly, it stops loading other providers' plugins at the first name that it already has.
"""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the metadata in the form of Airflow's ``provider_info`` schema.

    Example:
        >>> get_provider_info()["task-decorators"][0]["name"]
        'batch'
    """
    return {
        "package-name": "airflow-sfx",
        "name": "Batch warehouse (sfx)",
        "description": "Partitions written as new batches: pinned, rolled back, never overwritten.",
        "integrations": [
            {
                "integration-name": "Batch warehouse (sfx)",
                "external-doc-url": "https://pypi.org/project/airflow-sfx/",
                "tags": ["software"],
            }
        ],
        "hooks": [
            {
                "integration-name": "Batch warehouse (sfx)",
                "python-modules": ["airflow_sfx.hooks.sfx"],
            }
        ],
        "operators": [
            {
                "integration-name": "Batch warehouse (sfx)",
                "python-modules": [
                    "airflow_sfx.operators.compact",
                    "airflow_sfx.operators.container",
                    "airflow_sfx.operators.models.promote",
                    "airflow_sfx.operators.models.rollback",
                    "airflow_sfx.operators.models.score",
                    "airflow_sfx.operators.models.train",
                    "airflow_sfx.operators.publish",
                    "airflow_sfx.operators.pin",
                    "airflow_sfx.operators.retain",
                    "airflow_sfx.operators.retain_policies",
                    "airflow_sfx.operators.rollback",
                    "airflow_sfx.operators.spark",
                    "airflow_sfx.operators.sql",
                    "airflow_sfx.operators.store",
                    "airflow_sfx.operators.verify",
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": "Batch warehouse (sfx)",
                "python-modules": [
                    "airflow_sfx.sensors.consistency",
                    "airflow_sfx.sensors.model_drift",
                    "airflow_sfx.sensors.partition",
                    "airflow_sfx.sensors.stream_lag",
                ],
            }
        ],
        "triggers": [
            {
                "integration-name": "Batch warehouse (sfx)",
                "python-modules": [
                    "airflow_sfx.triggers.consistency",
                    "airflow_sfx.triggers.job",
                    "airflow_sfx.triggers.model_drift",
                    "airflow_sfx.triggers.partition",
                    "airflow_sfx.triggers.stream_lag",
                ],
            }
        ],
        "asset-uris": [
            {
                "schemes": ["sfx"],
                "handler": "airflow_sfx.assets.asset.sanitize_uri",
                "factory": "airflow_sfx.assets.asset.create_asset",
                "to_openlineage_converter": (
                    "airflow_sfx.assets.openlineage.convert_asset_to_openlineage"
                ),
            }
        ],
        "connection-types": [
            {
                "connection-type": "sfx",
                "hook-class-name": "airflow_sfx.hooks.sfx.SfxHook",
                "hook-name": "Batch warehouse (sfx)",
                "ui-field-behaviour": {
                    "hidden-fields": ["host", "schema", "login", "password", "port"],
                    "relabeling": {},
                    "placeholders": {"extra__sfx__warehouse": "embedded:///data/warehouse"},
                },
                "conn-fields": {
                    "warehouse": {
                        "label": "Warehouse",
                        "description": (
                            "The URI of the warehouse, such as embedded:///data/warehouse for a"
                            " directory that all workers share. It is logged and stored: no"
                            " passwords."
                        ),
                        "schema": {"type": "string", "minLength": 1},
                    },
                    "metastore_conn_id": {
                        "label": "Hive Metastore connection",
                        "description": (
                            "The ID of a connection of the type hive_metastore, whose hosts and"
                            " login are used. The warehouse is then"
                            " hive://?location=s3://bucket/prefix."
                        ),
                        "schema": {"type": ["string", "null"]},
                    },
                    "aws_conn_id": {
                        "label": "AWS connection",
                        "description": (
                            "The ID of a connection of the type aws: keys, profile or role,"
                            " endpoint and region for S3 and Glue. Empty: the workers' own AWS"
                            " environment."
                        ),
                        "schema": {"type": ["string", "null"]},
                    },
                },
            }
        ],
        "notifications": [
            "airflow_sfx.notifications.affected_models.AffectedModelsNotifier",
        ],
        "extra-links": ["airflow_sfx.operators.base.links.BatchHistoryLink"],
        "cli": ["airflow_sfx.cli.airflow.get_commands"],
        "config": {
            "sfx": {
                "description": "Batches of partitions.",
                "options": {
                    "hold_days": {
                        "description": (
                            "For how many days PinBatchesOperator holds the batches that it pins,"
                            " unless the task has hold_for."
                        ),
                        "version_added": "0.1.0",
                        "type": "integer",
                        "example": "30",
                        "default": "90",
                    },
                    "backfill_conf": {
                        "description": (
                            "Whether the scheduler writes the number of a backfill into the"
                            " configuration of its runs, as sfx_backfill, so that the history"
                            " records it. Without it, a backfill is undone by its number only"
                            " beside Airflow's database (airflow sfx rollback), not in a task."
                        ),
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": "False",
                        "default": "True",
                    },
                },
            }
        },
        "task-decorators": [
            {"name": "batch", "class-name": "airflow_sfx.decorators.batch.batch_task"},
            {
                "name": "batch_container",
                "class-name": "airflow_sfx.decorators.batch_container.batch_container_task",
            },
            {"name": "model", "class-name": "airflow_sfx.decorators.model.model_task"},
        ],
    }
