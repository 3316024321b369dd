"""Checks a version: its artifact, its answers, its training batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from airflow_sfx.core.errors import SfxError
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.models.artifact.reader import read_artifact
from airflow_sfx.models.describe.inputs import Input, read_input
from airflow_sfx.models.log.listing import ModelVerification
from airflow_sfx.models.model import Model
from airflow_sfx.models.pin import ModelPin
from airflow_sfx.warehouse.table.renamed import table_at
from airflow_sfx.warehouse.table.tombstones import refuse_retired
from airflow_sfx.warehouse.warehouse import Warehouse


def verify_version(
    warehouse: Warehouse, fetch: Callable[[], bytes], pin: ModelPin, trust: Sequence[str]
) -> ModelVerification:
    """Check a version.

    Args:
        warehouse: The warehouse of its data.
        fetch: Returns its artifact.
        pin: The version.
        trust: What code may run, for a model without a portable scorer.

    Returns:
        What was found.
    """
    problems: list[str] = []
    rows, difference, size = 0, 0.0, 0
    inputs: list[BatchPin] = []
    try:
        data = fetch()
        size = len(data)
        entries = read_artifact(data, str(pin))
        model = Model(entries, str(pin), native=bool(trust), trust=trust)
        if (model.name, model.version) != (pin.name, pin.version):
            problems.append(f"the artifact of {pin} is that of {model}: it was copied there")
        for one in model.input_batches:
            found = list(input_problems(warehouse, one))
            problems += found
            if not found:
                inputs.append(one.pin)
        checked = model.check()
        rows, difference = checked.rows, checked.greatest
    except SfxError as error:
        problems.append(str(error))
    return ModelVerification(pin, tuple(problems), size, rows, difference, tuple(inputs))


def input_problems(warehouse: Warehouse, one: Input) -> Iterator[str]:
    """Yield what is wrong with the batches of a role: gone, erased, or altered.

    Args:
        warehouse: The warehouse.
        one: The batches, as the artifact names them.
    """
    for name, batch_id in one.pin.entries:
        single = BatchPin(one.pin.database, one.pin.table, one.pin.location, ((name, batch_id),))
        try:
            table = table_at(single.ref, single.location, warehouse.store, warehouse.metastore)
            refuse_retired(table, single.entries)
            found = read_input(warehouse.store, one.role, single, 0)
        except SfxError as error:
            yield f"the {one.role} batch {single} is gone: {error}"
            continue
        if found.manifests[name] != one.manifests[name]:
            yield (
                f"the {one.role} batch {single} has another manifest than when the model was saved:"
                " it was altered"
            )
