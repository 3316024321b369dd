# The public names, for type checkers; the package loads them on first use.
import airflow_sfx._default as _d

from .flavours.coefficients import Coefficients as Coefficients
from .flavours.function import FunctionModel as FunctionModel
from .model import Model as Model
from .pin import ModelPin as ModelPin
from .registry import ModelRegistry as ModelRegistry

affected = _d.models.affected
aliases = _d.models.aliases
batch = _d.models.batch
card = _d.models.card
diff = _d.models.diff
drift = _d.models.drift
explain_change = _d.models.explain_change
export = _d.models.export
fetch = _d.models.fetch
history = _d.models.history
list = _d.models.list
load = _d.models.load
missing_card_parts = _d.models.missing_card_parts
plan_rollback = _d.models.plan_rollback
promote = _d.models.promote
reproduce = _d.models.reproduce
resolve = _d.models.resolve
rollback = _d.models.rollback
save = _d.models.save
sign = _d.models.sign
store_versions = _d.models.store_versions
verify = _d.models.verify
versions = _d.models.versions
