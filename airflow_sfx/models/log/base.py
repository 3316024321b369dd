"""The log of models: the warehouse's log, opened for the tables that are models."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from airflow_sfx.core.batch_id import check_batch_id
from airflow_sfx.core.errors import InvalidName, PartitionNotFound
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.table import TableRef
from airflow_sfx.core.validation import whole
from airflow_sfx.models.pin import LATEST, ModelPin, alias_name, model_name
from airflow_sfx.warehouse.connection import Connection
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.table.log_only import DATABASE
from airflow_sfx.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from airflow_sfx.models.log.cards import CardStatement
    from airflow_sfx.models.log.listing import ModelVersions
    from airflow_sfx.models.log.saving import Registry

ANY: Any = object()
"""No condition on what is current."""


class ModelLog:
    """The log of a warehouse's models, by names and aliases.

    Args:
        warehouse: The warehouse.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._log = Warehouse(self._connection)

    def plan_rollback(
        self, name: str, alias: str = "production", *, to: str | ModelPin | None = None
    ) -> ModelPin:
        """Return the version that `rollback` would make current, without changing anything.

        Args:
            name: The model's name.
            alias: The alias.
            to: The version to return to, or None for the one before.

        Returns:
            The version.

        Raises:
            PartitionNotFound: There is no such model or alias.
            BatchNotFound: The alias has no version before, or never had ``to``.

        Example:
            >>> sfx.models.plan_rollback("delays", "latest", to=delays) == delays
            True
        """
        named, place = model_name(name).name, alias_name(alias)
        back = None if to is None else self._version(named, to).version
        with self._named(named, place):
            (step,) = self._log.plan_rollback(DATABASE, named, [place], to=back)
        return ModelPin(named, step.batch_id or "")

    def batch(self, source: str | ModelPin, alias: str = LATEST) -> BatchPin:
        """Return the batch that a version is, as lineage and asset events name it.

        Pass it as one of ``inputs=`` to store what a version has made.

        Args:
            source: The version, as for `load`, but not a zip.
            alias: The alias whose batch it is; ``latest`` for the batch that lineage names.

        Returns:
            The pin.

        Raises:
            PartitionNotFound: There is no such model or alias.

        Example:
            >>> sfx.models.batch("delays@production").batches == {"latest": delays.version}
            True
        """
        pin = self._resolved(source)
        return self._registry().table(pin.name).pin({alias_name(alias): pin.version})

    def card(self, source: str | ModelPin | os.PathLike[str]) -> str:
        """Return the card of a version, with what people said when they promoted it.

        Args:
            source: As for `load`; the card of a zip has only what was said when it was saved.

        Returns:
            The card, as Markdown.

        Raises:
            ModelRefused: The artifact is damaged or hostile.
            PartitionNotFound: There is no such model or alias.
            BatchNotFound: There is no such version.

        Example:
            >>> _ = sfx.models.promote("delays", delays, card={"owner": "Ada"}, to="candidate")
            >>> "### Owner" in sfx.models.card(delays), "## Owner" in sfx.models.card(delays)
            (True, True)
        """
        from airflow_sfx.models.log.cards import with_statements

        return with_statements(*self._said(source))

    def missing_card_parts(
        self, source: str | ModelPin | os.PathLike[str], parts: Sequence[str] | None = None
    ) -> list[str]:
        """Return the parts of a card that were stated neither at the save nor at a promotion.

        Args:
            source: As for `load`.
            parts: The parts that are required; None for ``purpose``, ``owner``, ``limits`` and
                ``risks``.

        Returns:
            Those that are missing; none for a complete card.

        Raises:
            ModelRefused: The artifact is damaged or hostile.
            PartitionNotFound: There is no such model or alias.
            BatchNotFound: There is no such version.

        Example:
            >>> sfx.models.missing_card_parts(delays, ["purpose", "owner"])
            ['purpose', 'owner']
        """
        from airflow_sfx.models.describe.card import REQUIRED
        from airflow_sfx.models.log.cards import missing_parts

        card, said = self._said(source)
        return missing_parts(card, said, REQUIRED if parts is None else parts)

    def store_versions(
        self, name: str, table: str, *, reason: str = "", producer: Producer | None = None
    ) -> BatchPin:
        """Store the versions of a model as a table: a row for each, its metrics as columns.

        Args:
            name: The model's name.
            table: The table as ``database.table``, which has no partitions. Each call stores all
                versions as its new batch.
            reason: The reason, recorded in the history.
            producer: Who stores it, or None for the identity of the running task or process.

        Returns:
            The pin of the batch.

        Raises:
            PartitionNotFound: There is no such model.
            InvalidName: It is not the name of a table, or is one of the database ``models``.

        Example:
            >>> pin = sfx.models.store_versions("delays", "reports.delays")
            >>> sfx.load_dataframe(pin)["metric_mae"].tolist()
            [4.5]
        """
        ref = TableRef.parse(table)
        if ref.database == DATABASE:
            raise InvalidName(
                f"{ref} is in the database of models: pass a table of another one, such as"
                f" reports.{ref.table}"
            )
        frame = self.versions(name, limit=None).to_table()
        return self._warehouse.store_dataframe(
            frame, ref.database, ref.table, reason=reason, producer=producer
        )

    def versions(self, name: str, *, limit: int | None = 100) -> ModelVersions:
        """List the versions of a model, newest first, with their metrics and aliases.

        Args:
            name: The model's name.
            limit: The maximum number of versions, or None for all.

        Returns:
            The versions; ``to_pandas`` has a column for each metric, as `store_versions` has.

        Raises:
            PartitionNotFound: There is no such model.
            InvalidName: The limit is not a whole number, or is negative.

        Example:
            >>> [(one.pin == delays, one.aliases) for one in sfx.models.versions("delays")]
            [(True, ('latest', 'production'))]
            >>> sfx.models.versions("delays").to_pandas()["metric_mae"].tolist()
            [4.5]
        """
        from airflow_sfx.models.log.listing import ModelVersions
        from airflow_sfx.models.log.promotion import saves

        named = model_name(name).name
        if whole(0 if limit is None else limit, "limit") < 0:
            raise InvalidName(f"limit={limit} is negative: pass a number, or None for all")
        with self._named(named, LATEST):
            found = saves(self._registry().table(named), named, self._aliases(named), limit)
        return ModelVersions(found)

    def _said(self, source: str | ModelPin | os.PathLike[str]) -> tuple[str, list[CardStatement]]:
        """Return the card of an artifact, and what was said of it at promotions."""
        from airflow_sfx.models.log.cards import statements
        from airflow_sfx.models.model import described

        data, where = self._artifact(source)
        found = described(data, where)
        if isinstance(source, os.PathLike) or (isinstance(source, str) and source.endswith(".zip")):
            return found.card, []
        return found.card, statements(self._registry().table(found.name), found.version)

    def _resolved(self, source: str | ModelPin, as_of: datetime | None = None) -> ModelPin:
        """Return the version that a text names now, or named at a time."""
        named = model_name(source)
        if named.version is not None:
            return ModelPin(named.name, named.version)
        assert named.alias is not None
        return ModelPin(named.name, self._current(named.name, named.alias, as_of))

    def _aliases(self, name: str) -> dict[str, str]:
        """Return the current version of each alias."""
        log = PartitionLog(self._registry().table(name))
        marks = log.marks()
        return {place: mark.batch_id for place, mark in marks.items() if mark.batch_id}

    def _connection(self) -> Connection:
        """Return the connection of the data, with the metastore of models."""
        from airflow_sfx.warehouse.table.log_only import LogOnlyMetastore

        data = self._warehouse.connection
        return replace(data, metastore=LogOnlyMetastore(data.store), partition_style="value")

    def _registry(self) -> Registry:
        from airflow_sfx.models.log.saving import Registry

        return Registry(self._warehouse, self._log)

    def _current(self, name: str, alias: str, as_of: datetime | None) -> str:
        with self._named(name, alias):
            return self._log.pin(DATABASE, name, [alias], as_of=as_of).batches[alias]

    def _version(self, name: str, version: str | ModelPin) -> ModelPin:
        """Return a version of a model by what a caller named."""
        if isinstance(version, str) and version.startswith("@"):
            return self._resolved(f"{name}{version}")
        if isinstance(version, str) and ("/" in version or "@" in version):
            version = self._resolved(version)
        if isinstance(version, ModelPin):
            if version.name != name:
                raise InvalidName(f"{version} is not a version of the model {name}: pass one of it")
            return version
        return ModelPin(name, check_batch_id(version))

    def _expected(
        self, name: str, alias: str, expected: str | ModelPin | None
    ) -> dict[str, str | None] | None:
        if expected is ANY:
            return None
        return {alias: None if expected is None else self._version(name, expected).version}

    def _artifact(self, source: str | ModelPin | os.PathLike[str]) -> tuple[bytes, str]:
        """Return the bytes of an artifact, and where it is from."""
        from airflow_sfx.models.files import artifact_from_file, is_file
        from airflow_sfx.models.log.promotion import artifact_of

        if is_file(source):
            return artifact_from_file(Path(cast("str", source))), str(source)
        pin = self._resolved(cast("str", source))
        return artifact_of(self._registry().table(pin.name), pin), str(pin)

    @contextlib.contextmanager
    def _named(self, name: str, alias: str) -> Iterator[None]:
        """Raise the log's errors with the words of models."""
        try:
            yield
        except PartitionNotFound as error:
            there = self._aliases(name)
            if not there:
                raise PartitionNotFound(
                    f"there is no model {name!r}: save it first; the warehouse has"
                    f" {', '.join(self._log.metastore.tables(DATABASE)) or 'none yet'}",
                    table=f"{DATABASE}.{name}",
                ) from error
            raise PartitionNotFound(
                f"the model {name!r} has no alias {alias!r} with a version: it has"
                f" {', '.join(there)}; promote a version to it",
                table=f"{DATABASE}.{name}",
                partition=alias,
            ) from error
