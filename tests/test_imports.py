"""Imports: rooms only downward, and heavy packages on first use."""

from __future__ import annotations

import inspect
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
HEAVY = ("pandas", "pyarrow", "airflow", "obstore", "sqlalchemy", "numpy", "polars", "typer")


def run(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert (
        run(f"import sys, airflow_sfx; print([name for name in {HEAVY} if name in sys.modules])")
        == "[]"
    )


def test_looking_at_a_warehouse_loads_no_data_frames(tmp_path) -> None:
    look = "import sys, airflow_sfx as sfx; sfx.connect(sys.argv[1]).tables()"
    loaded = f"print([name for name in {HEAVY} if name in sys.modules])"
    assert run(f"{look}; {loaded}", f"embedded://{tmp_path}/w") == "[]"


def test_storing_in_a_process_of_a_task_loads_no_airflow(tmp_path) -> None:
    store = (
        "import os, sys, pandas, airflow_sfx as sfx; "
        "os.environ.update(AIRFLOW_CTX_DAG_ID='d', AIRFLOW_CTX_TASK_ID='t')"
    )
    store += (
        "; w = sfx.connect(sys.argv[1]); w.store_dataframe(pandas.DataFrame({'n': [1]}), 'a', 'b')"
    )
    told = "print(w.history('a', 'b')[0].producer.task_id, 'airflow' in sys.modules)"
    assert run(f"{store}; {told}", f"embedded://{tmp_path}/w") == "t False"


def test_every_public_name_is_there() -> None:
    assert (
        run("import airflow_sfx as s; print([n for n in s.__all__ if getattr(s, n, None) is None])")
        == "[]"
    )


def test_the_functions_are_the_methods_of_the_default_warehouse() -> None:
    import airflow_sfx as sfx

    calls = [name for name in sfx.__all__ if inspect.ismethod(getattr(sfx, name))]
    assert len(calls) > 20
    for name in calls:
        call, method = getattr(sfx, name), getattr(sfx.Warehouse, name)
        assert call.__func__ is method
        assert call.__doc__ == method.__doc__
        assert call.__doc__


def test_the_default_warehouse_is_the_one_that_the_environment_names_now(
    tmp_path, monkeypatch
) -> None:
    import airflow_sfx as sfx

    for name in ("one", "two"):
        monkeypatch.setenv("SFX_WAREHOUSE", f"embedded://{tmp_path}/{name}")
        sfx.store_dataframe(pd.DataFrame({"n": [1]}), "db", name)
        assert sfx.tables() == [sfx.TableRef("db", name)]
        assert sfx.tables() == sfx.connect().tables()


def test_importing_a_call_opens_no_warehouse(tmp_path) -> None:
    code = "import os, sys\nos.environ['SFX_WAREHOUSE'] = sys.argv[1]\n"
    code += "from airflow_sfx import store_dataframe"
    run(code, f"embedded://{tmp_path}/w")
    assert not (tmp_path / "w").exists()


def test_the_core_needs_the_standard_library_and_msgspec_only() -> None:
    code = (
        "import sys, pkgutil, importlib, airflow_sfx, typing_extensions\n"
        "before = set(sys.modules)\nimport airflow_sfx.core as core\n"
        "for module in pkgutil.walk_packages(core.__path__, 'airflow_sfx.core.'):\n"
        "    importlib.import_module(module.name)\n"
        "loaded = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(loaded - set(sys.stdlib_module_names)))"
    )
    assert run(code) == "['airflow_sfx', 'msgspec']"  # which needs typing_extensions


def test_rooms_import_downward_only() -> None:
    program = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert program is not None
    done = subprocess.run([program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout


def test_the_warehouse_works_where_airflow_cannot_be_imported(tmp_path) -> None:
    code = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'airflow' or name.startswith('airflow.'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "import os, pandas as pd, airflow_sfx as sfx\nos.environ['SFX_WAREHOUSE'] = sys.argv[1]\n"
        "pin = sfx.store_dataframe(pd.DataFrame({'n': [1]}), 'db', 't', ['p'])\n"
        "print(sfx.load_dataframe(pin)['n'].tolist())"
    )
    assert run(code, f"embedded://{tmp_path}/w") == "[1]"
