"""Train a model in a function and save it as a new version.

The XCom is the pin of the version. The pins that come in are what the model was trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.python import PythonOperator

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.hooks.templates import checks_names
from airflow_sfx.operators.models.base import ModelChangeOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sfx.components.precision import Precision
    from airflow_sfx.core.pin import BatchPin
    from airflow_sfx.models.pin import ModelPin
    from airflow_sfx.operators.base.notifications import Notify
    from airflow_sfx.warehouse.warehouse import Warehouse


class TrainModelOperator(ModelChangeOperator, PythonOperator):
    """Saves the model that a function returns, with the batches that it was trained on.

    ``@task.model`` makes one of a function. It returns a model; a model and its metrics; or a
    dict with ``model`` and any of ``metrics``, ``params``, ``card`` and ``example``, which are
    arguments of `airflow_sfx.models.save`.

    Args:
        name: The model's name (templated).
        python_callable: The function; None calls ``trained_by`` with the frames by role and with
            ``training_params``.
        op_args: Its positional arguments; a pin becomes the pinned frame if the parameter is
            annotated as one (templated).
        op_kwargs: Its named arguments, likewise (templated).
        inputs: Pins by role, besides those of the arguments (templated). The role of an argument
            is the name of its parameter; one alone is ``train``. A parameter of a role's name
            gets the pin or its frame.
        target: The column that the model predicts.
        training_params: The parameters of the training (templated).
        card: What only people can say: ``purpose``, ``owner``, ``limits``, ``retrain``,
            ``successor``.
        trained_by: The function that trains, at the top of a module of the project, so that
            `airflow_sfx.models.reproduce` can call it again.
        tolerance: How much the portable scorer may differ from the model.
        pickle: Whether to save a scikit-learn model as a pickle.
        precision: In how many digits the components are kept, as for `airflow_sfx.models.save`.
        reason: The reason for the history (templated).
        cascade: Whether the save is an asset event that starts other DAGs (templated).
        notify: Lists of Airflow's notifiers for ``publish``, ``rollback``, ``failed_check`` and
            ``foreign_change``; in their templates, ``batch`` describes the event.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        kwargs: Those of every operator.

    Example:
        >>> import airflow_sfx as sfx
        >>> train = TrainModelOperator(
        ...     task_id="train",
        ...     name="delays",
        ...     python_callable=lambda: sfx.models.Coefficients({"distance": 0.02}),
        ... )
        >>> train.outlets[0].uri
        'sfx://models/delays'
    """

    changes = "name"
    names = ("name", "inputs", "reason")
    pin_fields = ("op_args", "op_kwargs", "inputs")
    template_fields: Sequence[str] = (
        *PythonOperator.template_fields,
        *names,
        *("training_params", "cascade"),
    )

    @checks_names
    def __init__(
        self,
        *,
        name: str,
        python_callable: Callable[..., Any] | None = None,
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        target: str | None = None,
        training_params: Mapping[str, Any] | None = None,
        card: Mapping[str, str] | None = None,
        trained_by: Callable[..., Any] | None = None,
        tolerance: float = 1e-5,
        pickle: bool = False,
        precision: Precision = "exact",
        reason: str = "",
        cascade: bool | str = True,
        notify: Notify | None = None,
        sfx_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("show_return_value_in_logs", False)  # it is a whole model
        if python_callable is None and trained_by is None:
            raise InvalidName(
                f"the task {kwargs.get('task_id')} has no function: pass python_callable=, or"
                " trained_by= to call that one"
            )
        super().__init__(
            changed=name,
            python_callable=python_callable or trained_by,
            op_args=op_args,
            op_kwargs=op_kwargs,
            reason=reason,
            cascade=cascade,
            notify=notify,
            sfx_conn_id=sfx_conn_id,
            **kwargs,
        )
        self.name = name
        self.inputs = dict(inputs or {})
        self.training_params = dict(training_params or {})
        self.trained_by = trained_by
        self._calls_trainer = python_callable is None
        self._saved_with: dict[str, Any] = {
            "target": target,
            "tolerance": tolerance,
            "pickle": pickle,
            "precision": precision,
        }
        self.card = dict(card or {})

    def run(self, context: Context) -> ModelPin:
        """Run the function on the pinned batches and save its model.

        Args:
            context: The task's context.

        Returns:
            The version.

        Raises:
            InvalidName: The name, an input or the precision breaks a rule; nothing ran.
            TypeError: The function did not return a model; nothing was saved.
            ModelRefused: The model is of no known library, or does not predict its training rows.
        """
        from airflow_sfx.models.pin import model_name
        from airflow_sfx.models.precision import check_precision
        from airflow_sfx.operators.models.training import returned_parts

        check_precision(self._saved_with["precision"])
        name, warehouse = model_name(self.name).name, self.warehouse()
        call = self._of_trainer if self._calls_trainer else self._of_function
        function = self.python_callable
        result, inputs = call(context, warehouse)
        parts = returned_parts(result, self.task_id)
        given = {"params": self.training_params, "card": self.card}
        parts |= {one: {**mine, **parts.get(one, {})} for one, mine in given.items()}
        pin = self.registry().save(
            parts.pop("model"),
            name,
            inputs=inputs,
            trained_by=self.trained_by,
            code=function,
            reason=self.reason,
            producer=self.producer(context),
            **parts,
            **self._saved_with,
        )
        return self.announce(context, pin, "publish")

    def _of_function(
        self, context: Context, warehouse: Warehouse
    ) -> tuple[Any, dict[str, BatchPin]]:
        """Run the task's function, and return its result and its inputs."""
        from airflow_sfx.operators.base.pin_arguments import load_arguments, naming_pins
        from airflow_sfx.operators.models.training import inputs_by_role, passed_on

        function, args = self.python_callable, list(self.op_args)
        kwargs = passed_on(function, args, self.op_kwargs, self.inputs)
        inputs = inputs_by_role(function, args, kwargs, self.inputs, self.task_id)
        self.op_args, self.op_kwargs, _ = load_arguments(
            function, args, kwargs, warehouse.load_dataframe
        )
        with naming_pins(function, self.op_args, self.op_kwargs, self.log):
            return PythonOperator.execute(self, context), inputs

    def _of_trainer(
        self, context: Context, warehouse: Warehouse
    ) -> tuple[Any, dict[str, BatchPin]]:
        """Call the function that `reproduce` calls, as that does."""
        from airflow_sfx.operators.models.training import inputs_by_role

        inputs = inputs_by_role(self.python_callable, (), {}, self.inputs, self.task_id)
        frames = {role: warehouse.load_dataframe(pin) for role, pin in inputs.items()}
        return self.python_callable(frames, dict(self.training_params)), inputs
