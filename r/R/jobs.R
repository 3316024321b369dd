#' Inputs, parameters and result of a job
#'
#' For a script that `sfx job run`, or a container of Airflow, started as a job: it reads exactly the
#' pinned batches, and stores one batch with the identity of the task.
#'
#' @param names Names of the inputs to load; `NULL` for all.
#' @param int64 As for [sf_reader()].
#' @return `sf_job_inputs()`: a list of data frames by name. `sf_job_parameters()`: a list of values.
#'   `sf_job_store()`: the pin, invisibly.
#' @export
sf_job_inputs <- function(names = NULL, int64 = c("integer64", "double")) {
  int64 <- match.arg(int64)
  if (is.null(names)) names <- names(request("job")$inputs)
  structure(lapply(names, function(name) {
    received(request("job_load", list(name = one_text(name, "names"), int64 = int64), reads = TRUE)$frame)
  }), names = names)
}

#' @rdname sf_job_inputs
#' @export
sf_job_parameters <- function() request("job")$parameters

#' @rdname sf_job_inputs
#' @param data A data frame: the result of the job.
#' @param types Hive types by column.
#' @export
sf_job_store <- function(data, types = NULL) {
  pin <- request("job_store", list(types = if (length(types)) as.list(types)), frame = prepared(data))
  invisible(as_pin(pin))
}
