"""The calls of a client, each a method of `Warehouse`."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_sfx._version import __version__
from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.session import exchange, jobs, models
from airflow_sfx.session.listings import COLUMNS, HISTORY, HOLDS, TABLES, listing

if TYPE_CHECKING:
    from airflow_sfx.warehouse.warehouse import Warehouse

Arguments = dict[str, Any]


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """A request.

    Args:
        call: The name of the call.
        args: Its arguments; those that are null are left out.
    """

    call: str
    args: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Session:
    """What a call works on.

    Args:
        folder: Where frames are passed.
        open: Opens the warehouse.
    """

    folder: Path
    open: Callable[[], Warehouse]

    @property
    def warehouse(self) -> Warehouse:
        """The warehouse."""
        return self.open()


def answer(line: bytes, folder: Path, warehouse: Callable[[], Warehouse]) -> object:
    """Carry out one request.

    Args:
        line: The request, JSON.
        folder: Where frames are passed.
        warehouse: Opens the warehouse.

    Returns:
        The result, as JSON values.

    Raises:
        InvalidName: It is no request, or its call or an argument is unknown.
        SfxError: The call failed.

    Example:
        >>> import tempfile
        >>> from airflow_sfx.warehouse.connect import connect
        >>> opened = connect(f"embedded://{tempfile.mkdtemp()}")
        >>> answer(b'{"call": "sitrep"}', Path(), lambda: opened)["tables"]
        0
    """
    try:
        request = msgspec.json.decode(line, type=Request)
    except msgspec.DecodeError as error:
        raise InvalidName(f"the request is not one of this protocol: {error}") from error
    call = _CALLS.get(request.call)
    if call is None:
        raise InvalidName(
            f"there is no call {request.call!r:.80}: install the R package and sfx of one version"
        )
    given = {name: value for name, value in request.args.items() if value is not None}
    try:
        return call(Session(folder, warehouse), given)
    finally:
        exchange.release_memory()


def _taken(args: Arguments, *names: str) -> Arguments:
    """Return the arguments of a method; reject others."""
    if other := sorted(set(args) - set(names)):
        raise InvalidName(f"there is no argument {other[0]!r:.80}: the arguments are {names}")
    for name in ("as_of", "until"):
        if name in args:
            args[name] = _time(name, args[name])
    return args


def _time(argument: str, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidName(
            f"{argument} = {text!r:.80} is not a time",
            remedy="pass a Date, a POSIXct, or text such as 2016-10-31T12:00:00+00:00",
        ) from None


def _pin(text: object) -> BatchPin:
    if not isinstance(text, str):
        raise InvalidName("a pin is missing: pass what sf_writer() or sf_pin() returned")
    return BatchPin.from_json(text)


def _store(session: Session, args: Arguments) -> object:
    path = exchange.path_of(session.folder, args.pop("file", ""))
    args["inputs"] = [_pin(one) for one in args.get("inputs", ())]
    names = ("partition_by", "partition_keys", "publish", "reason", "inputs", "evolve", "types")
    given = _taken(args, "db", "table", "partitions", *names)
    frame = exchange.read_frame(path)
    return session.warehouse.store_dataframe(
        frame, given.pop("db", ""), given.pop("table", ""), **given
    ).to_json()


def _load(session: Session, args: Arguments) -> object:
    path = exchange.path_of(session.folder, args.pop("file", ""))
    int64 = args.pop("int64", "integer64")
    names = ("partitions", "batch_id", "as_of", "version", "columns", "filters")
    given = _taken(args, "db", "table", "pin", *names)
    if "filters" in given:
        given["filters"] = [_condition(one) for one in given["filters"]]
    if "partitions" in given:
        given["partitions"] = [_values(one) for one in given["partitions"]]
    source = (
        (_pin(given.pop("pin")),)
        if "pin" in given
        else (given.pop("db", ""), given.pop("table", None))
    )
    table = session.warehouse.load_dataframe(*source, as_="arrow", **given)
    exchange.write_frame(path, table, int64)
    return {"rows": table.num_rows}


def _values(partition: object) -> object:
    return tuple(partition) if isinstance(partition, list) else partition


def _condition(one: Any) -> tuple[Any, ...]:
    if not isinstance(one, list) or len(one) != 3:  # noqa: PLR2004
        raise InvalidName('a condition of filter = has three parts: list("price", ">", 3)')
    name, operator, value = one
    return (
        name,
        operator,
        [_operand(part) for part in value] if isinstance(value, list) else _operand(value),
    )


def _operand(value: Any) -> Any:
    """Return a value of a condition; days and times are objects with one member."""
    if isinstance(value, Mapping):
        ((kind, text),) = value.items()
        return date.fromisoformat(text) if kind == "date" else datetime.fromisoformat(text)
    return value


def _pinned(session: Session, args: Arguments) -> object:
    given = _partitions(_taken(args, "db", "table", "partitions", "as_of", "version"))
    return session.warehouse.pin(given.pop("db", ""), given.pop("table", ""), **given).to_json()


def _partitions(args: Arguments) -> Arguments:
    if "partitions" in args:
        args["partitions"] = [_values(one) for one in args["partitions"]]
    return args


def _history(session: Session, args: Arguments) -> object:
    path = exchange.path_of(session.folder, args.pop("file", ""))
    given = _taken(args, "db", "table", "partition", "limit")
    found = session.warehouse.history(given.pop("db", ""), given.pop("table", ""), **given)
    exchange.write_frame(path, listing(HISTORY, found))
    return {"rows": len(found)}


def _rollback(session: Session, args: Arguments) -> object:
    given = _partitions(_taken(args, "db", "table", "partitions", "to", "to_version", "reason"))
    return session.warehouse.rollback(
        given.pop("db", ""), given.pop("table", ""), **given
    ).to_json()


def _publish(session: Session, args: Arguments) -> object:
    given = _taken(args, "pin", "reason", "force")
    return session.warehouse.publish(_pin(given.pop("pin", None)), **given).to_json()


def _diff(session: Session, args: Arguments) -> object:
    path = exchange.path_of(session.folder, args.pop("file", ""))
    given = _taken(args, "before", "after", "keys")
    before, after = _pin(given.pop("before", None)), _pin(given.pop("after", None))
    found = session.warehouse.diff(before, after, **given)
    exchange.write_frame(path, listing(COLUMNS, found.columns))
    names = ("rows_before", "rows_after", "added", "removed", "changed", "identical")
    return {name: getattr(found, name) for name in names}


def _tables(session: Session, args: Arguments) -> object:
    path = exchange.path_of(session.folder, args.pop("file", ""))
    _taken(args)
    found = session.warehouse.tables()
    exchange.write_frame(path, listing(TABLES, found))
    return {"rows": len(found)}


def _hold(session: Session, args: Arguments) -> object:
    path = exchange.path_of(session.folder, args.pop("file", ""))
    given = _taken(args, "pin", "name", "until", "renew", "reason")
    held = session.warehouse.hold(_pin(given.pop("pin", None)), given.pop("name", ""), **given)
    exchange.write_frame(path, listing(HOLDS, [held]))
    return {"name": held.name}


def _of_models(
    call: Callable[[Warehouse, Path, Arguments], object],
) -> Callable[[Session, Arguments], object]:
    return lambda session, args: call(session.warehouse, session.folder, args)


def _of_jobs(
    call: Callable[[Path, Arguments], object],
) -> Callable[[Session, Arguments], object]:
    return lambda session, args: call(session.folder, args)


def _sitrep(session: Session, args: Arguments) -> object:
    _taken(args)
    warehouse = session.warehouse
    return {
        "sfx": __version__,
        "python": platform.python_version(),
        "warehouse": warehouse.uri,
        "tables": len(warehouse.tables()),
    }


_CALLS: dict[str, Callable[[Session, Arguments], object]] = {
    "store": _store,
    "load": _load,
    "pin": _pinned,
    "history": _history,
    "rollback": _rollback,
    "publish": _publish,
    "diff": _diff,
    "tables": _tables,
    "hold": _hold,
    "sitrep": _sitrep,
    **{name: _of_jobs(call) for name, call in jobs.CALLS.items()},
    **{name: _of_models(call) for name, call in models.CALLS.items()},
}
