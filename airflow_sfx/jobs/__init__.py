"""Jobs: processes and containers that get pins and give a batch.

A job reads its inputs by pin and stores one batch with the identity of the task that started it.
The result is read from the history, so that logs, exit codes and dead workers do not decide it.

`job` is what the code of a job uses; `contract` is what it gets, and `runners` start it.
"""

from airflow_sfx.jobs import job as job
