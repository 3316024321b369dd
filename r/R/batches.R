#' Pin what is current
#'
#' A pin names exact batches. Reading it gives the same rows for ever, whatever is written later.
#'
#' @inheritParams sf_reader
#' @param partitions The partitions, or `NULL` for all.
#' @param as_of A time or a `Date`: pin what was current then.
#' @param version A version of the table: pin what was current then.
#' @return A pin. `as.character()` of it is JSON, which Python reads with `BatchPin.from_json`.
#' @export
sf_pin <- function(namespace, resource, partitions = NULL, ..., as_of = NULL, version = NULL) {
  no_more(...)
  as_pin(request("pin", list(
    db = one_text(namespace, "namespace"), table = one_text(resource, "resource"),
    partitions = partition_list(partitions), as_of = time_text(as_of),
    version = whole_number(version, "version")
  )))
}

#' List the changes of a table or partition, newest first
#'
#' @inheritParams sf_reader
#' @param partition The values of one partition, or `NULL` for all.
#' @param limit The most entries, or `NULL` for all.
#' @return A data frame with a row for each change: what, when, by whom and why.
#' @export
sf_history <- function(namespace, resource, partition = NULL, ..., limit = 100) {
  no_more(...)
  args <- list(
    db = one_text(namespace, "namespace"), table = one_text(resource, "resource"),
    partition = partition_values(partition, "partition")
  )
  if (is.null(limit)) limit <- .Machine$integer.max
  args$limit <- as.integer(limit)
  request("history", args, reads = TRUE)$frame
}

#' Make earlier batches current again
#'
#' @inheritParams sf_reader
#' @param partitions The partitions, or `NULL` for a table without partitions. With `to_version`,
#'   `NULL` is the whole table.
#' @param to The batch ID to return to, or `NULL` for the batch before.
#' @param to_version A version of the table: undo all that came after it, instead of `to`.
#' @param reason The reason, recorded in the history.
#' @return The pin of what is current now, invisibly.
#' @export
sf_rollback <- function(namespace, resource, partitions = NULL, ..., to = NULL, to_version = NULL,
                        reason = "") {
  no_more(...)
  invisible(as_pin(request("rollback", list(
    db = one_text(namespace, "namespace"), table = one_text(resource, "resource"),
    partitions = partition_list(partitions), to = to,
    to_version = whole_number(to_version, "to_version"), reason = one_text(reason, "reason")
  ))))
}

#' Make staged batches current
#'
#' @param pin The pin that [sf_writer()] returned with `publish = FALSE`.
#' @param ... Not used; the arguments that follow are named.
#' @param reason The reason, recorded in the history.
#' @param force Whether to publish even if a batch that was written later is current.
#' @return The pin, invisibly.
#' @export
sf_publish <- function(pin, ..., reason = "", force = FALSE) {
  no_more(...)
  invisible(as_pin(request("publish",
    list(pin = pin_json(pin), reason = one_text(reason, "reason"), force = force))))
}

#' Compare two pins, column by column
#'
#' @param before,after The pins.
#' @param keys Names of the columns that identify a row.
#' @return A data frame with a row for each column; the attribute `rows` is a list of the counts.
#' @export
sf_diff <- function(before, after, keys = NULL) {
  found <- request("diff", list(before = pin_json(before, "before"),
    after = pin_json(after, "after"), keys = texts(keys)), reads = TRUE)
  structure(found$frame, rows = found$value)
}

#' List the tables of the warehouse
#'
#' @return A data frame with a row for each table.
#' @export
sf_tables <- function() request("tables", reads = TRUE)$frame

#' Hold batches, so that retention keeps them
#'
#' @inheritParams sf_publish
#' @param pin The pin.
#' @param name The name of the hold, such as that of a report.
#' @param until The time until which they are kept, or `NULL` for no limit.
#' @return A data frame with one row, the hold.
#' @export
sf_hold <- function(pin, name, ..., until = NULL, reason = "") {
  no_more(...)
  request("hold", list(pin = pin_json(pin), name = one_text(name, "name"),
    until = time_text(until), reason = one_text(reason, "reason")), reads = TRUE)$frame
}

#' Show which command and which warehouse are used
#'
#' @return A list: the command, versions, the warehouse and its number of tables; printed as text.
#' @export
sf_sitrep <- function() {
  bin <- sfx_bin()
  found <- request("sitrep")
  structure(c(list(command = bin, package = as.character(utils::packageVersion("sfx")),
    bit64 = requireNamespace("bit64", quietly = TRUE)), found), class = "sfx_sitrep")
}

#' @export
print.sfx_sitrep <- function(x, ...) {
  cat(paste0(format(names(x)), "  ", vapply(x, format, ""), "\n"), sep = "")
  invisible(x)
}
