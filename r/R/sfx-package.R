#' sfx: batches of a data warehouse, in R
#'
#' [sf_writer()] and [sf_reader()] store and read data frames. [sf_pin()], [sf_history()],
#' [sf_rollback()], [sf_publish()], [sf_diff()], [sf_hold()] and [sf_tables()] work on their batches.
#' [sf_model_save()], [sf_model_load()] and [sf_predict()] work on models. [sf_sitrep()] shows which
#' warehouse is used.
#'
#' The warehouse is that of the environment variable `SFX_WAREHOUSE`, as in Python. The command `sfx`
#' is that of `SFX_BIN`, else the one on the path. It runs as a process of its own from the first
#' call to the end of the session.
#'
#' Every error is a condition of the class `sfx_error`, and of one such as
#' `sfx_partition_not_found`, with the members `what`, `which` and `remedy`.
#'
#' @keywords internal
"_PACKAGE"
