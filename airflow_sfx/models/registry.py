"""The registry of models: each call, written and documented once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.log_entry import LogEntry
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.validation import storable_text
from airflow_sfx.models.exports.calls import ModelExports
from airflow_sfx.models.log.base import ANY
from airflow_sfx.models.pin import LATEST, ModelPin, alias_name, model_name
from airflow_sfx.models.questions.calls import ModelQuestions
from airflow_sfx.warehouse.results import Rows
from airflow_sfx.warehouse.table.log_only import DATABASE

if TYPE_CHECKING:
    from airflow_sfx.components.precision import Precision
    from airflow_sfx.models.model import Model

PRODUCTION = "production"


class ModelRegistry(ModelExports, ModelQuestions):
    """The models of a warehouse.

    A model is a table of the database ``models`` in the warehouse's log. A version is a batch, and
    an alias, such as ``production``, is a partition. So history, rollback, holds and the rejection
    of older attempts are the warehouse's own.

    Args:
        warehouse: The warehouse, whose batches the models were trained on.

    Example:
        >>> ModelRegistry(sfx.connect(f"embedded://{tempfile.mkdtemp()}")).list()
        []
    """

    def save(
        self,
        model: object,
        name: str,
        *,
        inputs: Mapping[str, BatchPin] | None = None,
        target: str | None = None,
        params: Mapping[str, object] | None = None,
        metrics: Mapping[str, float] | None = None,
        card: Mapping[str, str] | None = None,
        example: object | None = None,
        tolerance: float = 1e-5,
        pickle: bool = False,
        precision: Precision = "exact",
        trained_by: Callable[..., object] | None = None,
        code: Callable[..., object] | None = None,
        reason: str = "",
        producer: Producer | None = None,
    ) -> ModelPin:
        """Save a model as a new version, with its data, code, environment and card.

        The training batches are held, so that the rows that the model saw can be loaded as long as
        it exists. A model whose content is that of an earlier version is that version again.

        Args:
            model: A fitted estimator of scikit-learn, xgboost or lightgbm, a linear model or trees
                of Spark ML, an ONNX model, `Coefficients`, or a `FunctionModel`.
            name: The model's name.
            inputs: The pins of its batches by role: ``train``, and others such as ``test``.
            target: The column that it predicts.
            params: The parameters of the training, besides the estimator's own.
            metrics: Numbers by name, such as ``{"auc": 0.81}``.
            card: What only people can say: ``purpose``, ``owner``, ``limits``, ``risks`` (ethical
                risks and known failures), ``retrain``, ``successor``.
            example: Rows as the model gets them, if they are not those of the training batches.
            tolerance: How much the portable scorer may differ from the model, relative to the size
                of numbers above 1. Otherwise the native model is used, and the card says so.
            pickle: Whether to save a scikit-learn model as a pickle, which needs trust to load.
            precision: In how many digits the components that score it are kept: ``exact``,
                ``float32``, ``{"abs": 1e-4}`` for numbers that differ by at most so much, or
                ``{"predictions": 1e-3}`` for the fewest digits with which no prediction (of a
                classification, no probability) changes by more, for the rows of the role
                ``validation``, else of ``train``, or for ``example``. The model in these digits is
                what is saved: its answers are the golden ones.
            trained_by: The function that trained it, so that `reproduce` can call it again. It is
                at the top of a module of the project, and is called with the frames by role and
                with ``params``; it returns the model, or the model and its metrics. Its module is
                saved as the code, with what that imports of the project.
            code: Without ``trained_by``, a function whose module is saved as the code instead; None
                for the module that calls.
            reason: The reason, recorded in the history.
            producer: Who saves, or None for the identity of the running task or process.

        Returns:
            The version.

        Raises:
            ModelRefused: The model is of no known library, cannot be saved without a pickle, does
                not predict its training rows, or is not scored by components and ``precision`` is
                not ``exact``.
            SchemaMismatch: The training rows lack a column of the model.
            InvalidName: A name, a metric or a parameter cannot be stored, or the precision is not
                one.
            StaleAttempt: A newer attempt of the same task instance has saved a version.

        Example:
            >>> model = sfx.models.Coefficients({"distance": 0.02})
            >>> saved = sfx.models.save(model, "speeds", inputs={"train": flights}, reason="first")
            >>> again = sfx.models.save(model, "speeds", inputs={"train": flights})
            >>> saved == again
            True
        """
        from airflow_sfx.models.build import Training, build
        from airflow_sfx.models.describe.card import check_parts
        from airflow_sfx.models.describe.code import caller, defining, module_of
        from airflow_sfx.models.describe.inputs import read_input
        from airflow_sfx.models.log.saving import save_content
        from airflow_sfx.models.precision import check_precision
        from airflow_sfx.models.training import check_inputs, training_frames

        pin_name = model_name(name).name
        storable_text(reason, "reason=")
        check_parts(card or {})
        check_precision(precision)
        if trained_by is not None:  # what calls it, such as a DAG, does not train
            modules = [module_of(trained_by)]
        else:
            modules = caller() if code is None else defining(code)
        if trained_by is not None and example is not None:
            raise InvalidName(
                "trained_by= gets the training batches, not example=: pass one of the two"
            )
        pins = check_inputs(inputs or {}, example)
        rows = {
            role: sum(one.rows for one in self._warehouse.manifests(pin))
            for role, pin in pins.items()
        }
        training = Training(
            [
                read_input(self._warehouse.store, role, pin, rows[role])
                for role, pin in pins.items()
            ],
            training_frames(self._warehouse, pins, rows, example),
            target,
            dict(params or {}),
            dict(metrics or {}),
            dict(card or {}),
            modules,
            tolerance,
            pickle,
            trained_by,
            precision=precision,
            example=example is not None,
        )
        author = self._warehouse.connection.producer() if producer is None else producer
        return save_content(self._registry(), pin_name, build(model, training), author, reason)

    def load(
        self,
        source: str | ModelPin | os.PathLike[str],
        *,
        native: bool = False,
        trust: Sequence[str] = (),
        key: str | os.PathLike[str] | None = None,
    ) -> Model:
        """Load a model, and check that it answers its golden rows as it did when it was saved.

        By default, only what runs no code of the artifact is used: ONNX, coefficients, and the
        native forms of xgboost and lightgbm.

        Args:
            source: ``delays@production``, ``delays/20161101002256``, ``delays`` for the version
                that was saved last, a `ModelPin`, or the path of a zip.
            native: Whether to load the library's own model.
            trust: What code may run: ``sklearn`` and other packages whose classes a scikit-learn
                model has, ``code`` for a function, ``pickle`` for a pickle.
            key: The file of a public key, in PEM, whose signature the artifact must have, or None.

        Returns:
            The model.

        Raises:
            ModelRefused: The artifact is damaged or hostile, lacks the signature, would run code
                that ``trust`` does not name, needs a library that is not installed, or answers its
                golden rows otherwise.
            InvalidName: The key cannot be used.
            PartitionNotFound: There is no such model or alias.
            BatchNotFound: There is no such version.

        Example:
            >>> model = sfx.models.load("delays@production")
            >>> model.predict(pd.DataFrame({"distance": [1400.0, 200.0]})).tolist()
            [28.0, 4.0]
            >>> model.inputs["train"] == flights
            True
        """
        from airflow_sfx.models.model import load_artifact

        data, where = self._signed_artifact(source, key)
        return load_artifact(data, where, native=native, trust=trust)

    def fetch(self, source: str | ModelPin | os.PathLike[str]) -> bytes:
        r"""Return the zip file of a version.

        Args:
            source: As for `load`.

        Returns:
            Its bytes.

        Raises:
            PartitionNotFound: There is no such model or alias.
            BatchNotFound: There is no such version.

        Example:
            >>> sfx.models.fetch("delays@production")[:4]
            b'PK\x03\x04'
        """
        return self._artifact(source)[0]

    def resolve(self, source: str | ModelPin, *, as_of: datetime | None = None) -> ModelPin:
        """Return the version that a text names now, or named at a time.

        Args:
            source: ``delays@production``, ``delays/20161101002256``, ``delays``, or a `ModelPin`.
            as_of: The time, with a time zone, or None for now.

        Returns:
            The version.

        Raises:
            PartitionNotFound: There is no such model or alias, or it had no version then.
            InvalidName: The time has no time zone.

        Example:
            >>> sfx.models.resolve("delays@production", as_of=datetime.now(UTC)) == delays
            True
        """
        return self._resolved(source, as_of)

    def promote(
        self,
        name: str,
        version: str | ModelPin,
        *,
        to: str = PRODUCTION,
        reason: str = "",
        expected: str | ModelPin | None = ANY,
        trust: Sequence[str] = (),
        card: Mapping[str, str] | None = None,
        complete: bool | None = None,
        producer: Producer | None = None,
    ) -> ModelPin:
        """Make a version the current one of an alias, once it answers its golden rows.

        Args:
            name: The model's name.
            version: The version, as text, a `ModelPin`, or ``@ALIAS`` for that of another alias.
            to: The alias.
            reason: The reason, recorded in the history.
            expected: The version that the alias must have now, None for an alias without one; by
                default no condition.
            trust: As for `load`, for a model without a portable scorer.
            card: What people say of it now, by part of the card as for `save`. The artifact stays
                as it is; `card` shows both.
            complete: Whether to refuse a version whose card lacks ``purpose``, ``owner``,
                ``limits`` or ``risks``, here and there. False promotes it and records what the card
                lacks; None does not look.
            producer: Who promotes, or None for the identity of the running task or process.

        Returns:
            The version.

        Raises:
            ModelRefused: The version is damaged, or answers its golden rows otherwise; or its card
                lacks a required part.
            BatchNotFound: There is no such version.
            CommitConflict: The alias has another version than the expected one.
            StaleAttempt: A newer attempt of the same task instance has changed the alias.
            InvalidName: The alias is ``latest``, or breaks the rule; or there is no such part of a
                card.

        Example:
            >>> sfx.models.promote("delays", delays, to="candidate", reason="auc 0.81") == delays
            True
        """
        from airflow_sfx.models.describe.card import check_parts
        from airflow_sfx.models.log.cards import state
        from airflow_sfx.models.model import load_artifact

        alias = alias_name(to)
        check_parts(card or {})
        if alias == LATEST:
            raise InvalidName(
                f"{LATEST!r} is the version that was saved last: promote to another alias, such as"
                f" {PRODUCTION!r}"
            )
        pin = self._version(model_name(name).name, version)
        data, where = self._artifact(pin)
        found = load_artifact(data, where, native=bool(trust), trust=trust)
        registry = self._registry()
        condition = self._expected(pin.name, alias, expected)
        table = registry.table(pin.name)
        author = self._warehouse.connection.producer() if producer is None else producer
        state(table, pin, found.card, card or {}, alias, author, complete=complete)
        made = table.pin({alias: pin.version})
        registry.models.publish(
            made, reason=reason, force=True, expected=condition, producer=author
        )
        return pin

    def rollback(
        self,
        name: str,
        alias: str = PRODUCTION,
        *,
        to: str | ModelPin | None = None,
        reason: str = "",
        expected: str | ModelPin | None = ANY,
        producer: Producer | None = None,
    ) -> ModelPin:
        """Make the version current again that an alias had before.

        Args:
            name: The model's name.
            alias: The alias.
            to: The version to return to, which the alias must have had, or None for the one before.
                Repeated calls go one further back each.
            reason: The reason, recorded in the history.
            expected: As for `promote`.
            producer: Who rolls back, or None for the identity of the running task or process.

        Returns:
            The version that is current now.

        Raises:
            PartitionNotFound: There is no such model or alias.
            BatchNotFound: The alias has no version before, or never had ``to``.
            CommitConflict: The alias has another version than the expected one.

        Example:
            >>> newer = sfx.models.save(
            ...     sfx.models.Coefficients({"distance": 0.5}), "delays", inputs={"train": flights}
            ... )
            >>> newer = sfx.models.promote("delays", newer, reason="nightly")
            >>> sfx.models.rollback("delays", reason="predicts too much") == delays
            True
        """
        named = model_name(name).name
        place = alias_name(alias)
        back = None if to is None else self._version(named, to).version
        with self._named(named, place):
            made = self._log.rollback(
                DATABASE,
                named,
                [place],
                to=back,
                reason=reason,
                expected=self._expected(named, place, expected),
                producer=producer,
            )
        return ModelPin(named, made.batches[place])

    def history(
        self, name: str, alias: str = PRODUCTION, *, limit: int | None = 100
    ) -> Rows[LogEntry]:
        """List the changes of an alias, newest first: which version, when, by whom and why.

        Args:
            name: The model's name.
            alias: The alias; ``latest`` lists the saves.
            limit: The maximum number of entries, or None for all.

        Returns:
            The entries, whose ``batch_id`` is the version.

        Raises:
            PartitionNotFound: There is no such model or alias.

        Example:
            >>> entry = sfx.models.history("delays")[0]
            >>> entry.operation.value, entry.batch_id == delays.version, entry.reason
            ('publish', True, 'first')
        """
        named, place = model_name(name).name, alias_name(alias)
        with self._named(named, place):
            return self._log.history(DATABASE, named, [place], limit=limit)

    def aliases(self, name: str) -> dict[str, str]:
        """Return the current version of each alias of a model.

        Args:
            name: The model's name.

        Returns:
            The versions by alias, ``latest`` among them; empty if there is no such model.

        Example:
            >>> sorted(sfx.models.aliases("delays"))
            ['latest', 'production']
        """
        return self._aliases(model_name(name).name)

    def list(self) -> list[str]:
        """Return the names of all models, sorted.

        Returns:
            The names.

        Example:
            >>> sfx.models.list()
            ['delays']
        """
        return self._log.metastore.tables(DATABASE)
