#' Write a data frame as a new batch
#'
#' The batch becomes current when the call returns. Earlier batches stay, and can be read and rolled
#' back to. A column that cannot be kept exactly is refused before anything is written.
#'
#' @param data A data frame or tibble.
#' @param namespace The database.
#' @param resource The table, created if it does not exist.
#' @param partitions The values of the partition, one for each key; `NULL` for a table without
#'   partitions.
#' @param ... Not used; the arguments that follow are named.
#' @param partition_by Names of columns that hold the partition values of each row, instead of
#'   `partitions`.
#' @param partition_keys Names of a new table's keys.
#' @param types Hive types by column, such as `list(price = "decimal(10,2)")`.
#' @param inputs Pins that the data frame was made from, recorded with the batch.
#' @param publish `FALSE` stages the batch: complete, but not current until [sf_publish()].
#' @param evolve Allowed changes of the table's columns: `"safe"`, `"any"` or `"none"`.
#' @param reason The reason, recorded in the history.
#' @return The pin of the batch, invisibly: it names exactly these rows, for ever.
#' @seealso [sf_reader()], [sf_rollback()]
#' @examples
#' \donttest{
#' if (nzchar(Sys.which("sfx"))) {
#'   Sys.setenv(SFX_WAREHOUSE = paste0("embedded://", tempfile()))
#'   sold <- data.frame(item = c("a", "b"), price = c(2.5, NA))
#'   sf_writer(data = sold, namespace = "sales", resource = "sold", partitions = 20161031)
#'   identical(sf_reader("sales", "sold", 20161031), sold)
#' }
#' }
#' @export
sf_writer <- function(data, namespace, resource, partitions = NULL, ..., partition_by = NULL,
                      partition_keys = NULL, types = NULL, inputs = NULL, publish = TRUE,
                      evolve = "safe", reason = "") {
  no_more(...)
  if (inherits(inputs, "sfx_pin")) inputs <- list(inputs)
  pin <- request("store", list(
    db = one_text(namespace, "namespace"), table = one_text(resource, "resource"),
    partitions = partition_values(partitions), partition_by = texts(partition_by),
    partition_keys = texts(partition_keys), types = if (length(types)) as.list(types),
    inputs = if (length(inputs)) unname(lapply(inputs, pin_json, "inputs")),
    publish = publish, evolve = evolve, reason = one_text(reason, "reason")
  ), frame = prepared(data))
  invisible(as_pin(pin))
}

#' Read a table, a partition, or the batches of a pin
#'
#' @param namespace The database.
#' @param resource The table.
#' @param partitions The partitions: a vector for tables with one key, else a list of vectors;
#'   `NULL` reads all, with the partition keys as columns.
#' @param ... Not used; the arguments that follow are named.
#' @param columns Names of the columns to read, in this order.
#' @param filter Conditions that rows fulfil: `list("price", ">", 3)`, or a list of these.
#' @param pin A pin: read exactly its batches, instead of `namespace` and `resource`.
#' @param as_of A time or a `Date`: read what was current then.
#' @param version A version of the table, as [sf_history()] lists them: read what was current then.
#' @param batch_id The batch to read of each partition.
#' @param int64 What integers of 64 bits become that Python wrote: `"integer64"`, which needs the
#'   package bit64, or `"double"`, which refuses numbers beyond 2^53.
#' @return A data frame. One that [sf_writer()] stored is [identical()] to what was passed.
#' @seealso [sf_writer()], [sf_pin()]
#' @inherit sf_writer examples
#' @export
sf_reader <- function(namespace = NULL, resource = NULL, partitions = NULL, ..., columns = NULL,
                      filter = NULL, pin = NULL, as_of = NULL, version = NULL, batch_id = NULL,
                      int64 = c("integer64", "double")) {
  no_more(...)
  source <- if (is.null(pin)) {
    list(db = one_text(namespace, "namespace"), table = one_text(resource, "resource"))
  } else {
    list(pin = pin_json(pin))
  }
  args <- c(source, list(
    partitions = partition_list(partitions), columns = texts(columns), filters = conditions(filter),
    as_of = time_text(as_of), version = whole_number(version, "version"), batch_id = batch_id,
    int64 = match.arg(int64)
  ))
  received(request("load", args, reads = TRUE)$frame)
}

no_more <- function(...) {
  if (...length()) {
    given <- names(list(...))
    wrong(if (length(given) && nzchar(given[1])) given[1] else "...", "is not an argument of this call")
  }
}
