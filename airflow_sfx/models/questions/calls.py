"""The calls of the registry that answer questions about versions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_sfx.core.pin import BatchPin
from airflow_sfx.models.pin import ModelPin
from airflow_sfx.models.signing.calls import ModelSignatures
from airflow_sfx.warehouse.results import Rows

if TYPE_CHECKING:
    from airflow_sfx.models.log.listing import AffectedModel, ModelVerification
    from airflow_sfx.models.model import Model
    from airflow_sfx.models.questions.diff import ModelDiff
    from airflow_sfx.models.questions.drift import DriftReport
    from airflow_sfx.models.questions.reproduce import Reproduction
    from airflow_sfx.models.questions.why import ChangeExplanation

Source = str | ModelPin | os.PathLike[str]


class ModelQuestions(ModelSignatures):
    """What changed, what drifted, what is affected, and whether all is as it was saved."""

    def diff(
        self,
        before: Source,
        after: Source,
        *,
        keys: Sequence[str] = (),
        on: BatchPin | None = None,
        trust: Sequence[str] = (),
    ) -> ModelDiff:
        """Compare two versions: data, code, environment, parameters, metrics, predictions.

        Args:
            before: The first version, as for `load`.
            after: The second version.
            keys: Columns that identify a row of the training batches. Without them, whole rows
                are compared, and a row that changed is one removed and one added.
            on: Current rows, for which both versions predict; by default only the golden rows of
                the first.
            trust: As for `load`, for models without a portable scorer.

        Returns:
            What differs.

        Raises:
            PartitionNotFound: There is no such model or alias.
            BatchNotFound: There is no such version.
            ModelRefused: An artifact is damaged, or a model that is to predict for ``on`` needs
                trust.
            SchemaMismatch: The rows of ``on`` do not fit a model.

        Example:
            >>> steeper = sfx.models.Coefficients({"distance": 0.03})
            >>> other = sfx.models.save(steeper, "delays", inputs={"train": flights})
            >>> found = sfx.models.diff(delays, other)
            >>> found.identical, [(one.name, one.before, one.after) for one in found.terms]
            (False, [('distance', 0.02, 0.03)])
            >>> found.predictions[0].on, round(found.predictions[0].greatest, 3)
            ('golden rows', 14.0)
        """
        from airflow_sfx.models.questions.diff import diff_models

        old, new = (self._described(one, trust) for one in (before, after))
        return diff_models(old, new, self._warehouse, keys=keys, on=on)

    def drift(
        self,
        source: Source,
        pin: BatchPin,
        *,
        threshold: float = 0.1,
        trust: Sequence[str] = (),
    ) -> DriftReport:
        """Compare rows, and predictions for them, with the profile of the training rows.

        A column has drifted if its population stability index, or its distance (Kolmogorov-Smirnov
        for numbers, Jensen-Shannon for categories), is above the threshold and above what samples
        of one distribution reach by chance; if its share of missing values changed by more; if it
        has missing values that the model refuses; or if it has categories that the training rows
        did not have. A report names a column by chance in at most 1 of 100 cases.

        Args:
            source: The version, as for `load`.
            pin: The rows.
            threshold: From which index, distance or change of missing values on a shift counts.
            trust: As for `load`, for a model without a portable scorer.

        Returns:
            The report, with each column and the prediction.

        Raises:
            PartitionNotFound: There is no such model or alias.
            ModelRefused: The artifact is damaged, or the model needs trust.
            SchemaMismatch: The rows lack a column of the model.
            InvalidName: There are no rows, or the threshold is not a positive number.

        Example:
            >>> longer = pd.DataFrame({"distance": [float(x) for x in range(5000, 5100)]})
            >>> tonight = sfx.store_dataframe(longer, "air", "tonight", ["20161101"])
            >>> sfx.models.drift("delays@production", tonight).drifted
            ('distance', 'prediction')
        """
        from airflow_sfx.models.questions.drift import drift_of
        from airflow_sfx.warehouse.warehouse import require_pin

        require_pin(pin)
        return drift_of(self._described(source, trust), self._warehouse, pin, threshold)

    def reproduce(self, source: Source, *, trust: Sequence[str] = ()) -> Reproduction:
        """Train a version again from its batches and its code, and say what differs.

        The version has to be saved with ``trained_by=``: a function at the top of a module of the
        project, which is called with the frames by role and the parameters, and returns the model,
        or the model and its metrics. All that it imports is installed, or is in the ``code/`` of
        the artifact. It runs in a process of its own, with the packages that are installed here;
        those that differ from the version's are listed. A function that draws random numbers has
        to set their seed. Nothing is saved.

        Args:
            source: The version, as for `load`.
            trust: ``["code"]``, as the artifact's own code runs.

        Returns:
            Whether the new model has the same content, and what differs.

        Raises:
            PartitionNotFound: There is no such model or alias.
            ModelRefused: The caller does not trust the code, the version does not name its
                function, a batch is gone or altered, or the code failed.

        Example:
            >>> sfx.models.reproduce(delays, trust=["code"])  # doctest: +ELLIPSIS
            Traceback (most recent call last):
            ...
            airflow_sfx.core.errors.ModelRefused: ... does not name the function that trained it...
        """
        from airflow_sfx.models.questions.reproduce import reproduce_model

        return reproduce_model(self._described(source), self._warehouse, trust)

    def explain_change(
        self,
        before: Source,
        after: Source,
        metric: str,
        *,
        seeds: Sequence[int] = (0, 1, 2, 3, 4),
        environments: tuple[str, str] | None = None,
        trust: Sequence[str] = (),
    ) -> ChangeExplanation:
        """Say how much of a metric's change is due to data, to code and to the environment.

        Models are trained of every mixture: the batches of one version with the code and the
        parameters of the other, and so on. Each cause gets its Shapley share: the mean of what it
        adds, over all orders in which the causes can come. The shares add up to the change.

        Args:
            before: The first version, saved with ``trained_by=``; see `reproduce`.
            after: The second version.
            metric: The metric. The functions return it with the model.
            seeds: The seeds to train each mixture with. They seed ``random`` and numpy, and
                replace the parameters ``seed`` and ``random_state``.
            environments: The paths of two Pythons which have the packages of the versions' locks,
                and this package; None trains all with the running one.
            trust: ``["code"]``, as the artifacts' own code runs.

        Returns:
            The shares, with their range over the seeds.

        Raises:
            PartitionNotFound: There is no such model or alias.
            ModelRefused: As for `reproduce`, or a function does not return the metric.
            InvalidName: There are no seeds.

        Example:
            >>> sfx.models.explain_change(delays, delays, "mae")  # doctest: +ELLIPSIS
            Traceback (most recent call last):
            ...
            airflow_sfx.core.errors.ModelRefused: ... does not name the function that trained it...
        """
        from airflow_sfx.models.questions.why import explain

        return explain(
            self._described(before),
            self._described(after),
            self._warehouse,
            metric,
            seeds=seeds,
            environments=environments,
            trust=trust,
        )

    def affected(self, pin: BatchPin) -> Rows[AffectedModel]:
        """List the versions that were trained on batches, or on what was made from them.

        Args:
            pin: The batches.

        Returns:
            The versions, newest first, with the aliases that they have now; among them what a
            writer left whose save did not complete, with ``saved=False``.

        Raises:
            InvalidName: It is not a pin.

        Example:
            >>> [(one.pin == delays, one.aliases) for one in sfx.models.affected(flights)]
            [(True, ('latest', 'production'))]
        """
        from airflow_sfx.models.log.listing import AffectedModel

        return Rows(map(AffectedModel.of, self._warehouse.models_trained_on(pin)))

    def verify(
        self,
        source: str | ModelPin,
        *,
        trust: Sequence[str] = (),
        key: str | os.PathLike[str] | None = None,
    ) -> ModelVerification:
        """Check a version: its artifact, its golden rows, and the batches that it was trained on.

        Args:
            source: As for `load`.
            trust: As for `load`, for a model without a portable scorer.
            key: As for `load`: nothing is loaded of an artifact without the signature.

        Returns:
            What was found; ``problems`` is empty if all is as it was saved.

        Raises:
            PartitionNotFound: There is no such model or alias.
            InvalidName: The key cannot be used.

        Example:
            >>> report = sfx.models.verify("delays@production")
            >>> report.ok, report.golden_rows
            (True, 3)
        """
        from airflow_sfx.models.log.verification import verify_version
        from airflow_sfx.models.signing.bundle import fingerprint_of

        pin = self._resolved(source)
        if key is not None:
            fingerprint_of(Path(key))
        return verify_version(
            self._warehouse, lambda: self._signed_artifact(pin, key)[0], pin, trust
        )

    def _described(self, source: Source, trust: Sequence[str] = ()) -> Model:
        """Return a version, whose scorer is opened when it predicts."""
        from airflow_sfx.models.artifact.reader import read_artifact
        from airflow_sfx.models.model import Model

        data, where = self._artifact(source)
        return Model(read_artifact(data, where), where, native=bool(trust), trust=trust)
