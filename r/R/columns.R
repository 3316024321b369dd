# Data frames on their way out: refuse what is not data by its name, before it is written.

prepared <- function(data) {
  if (!is.data.frame(data)) {
    sfx_stop("schema_mismatch", paste("a", class(data)[1], "is not a data frame"),
      which = "argument data", remedy = "convert it with as.data.frame()")
  }
  data <- plain_frame(data)
  for (name in names(data)) refuse(data[[name]], name)
  for (i in which(vapply(data, is.character, NA))) {
    marked <- data[[i]]
    if (any(!(Encoding(marked) %in% c("unknown", "UTF-8"))) || !l10n_info()[["UTF-8"]]) {
      if (any(Encoding(marked) == "bytes")) {
        sfx_stop("schema_mismatch", sprintf('column "%s" has texts marked "bytes"', names(data)[i]),
          which = paste("column", names(data)[i]), remedy = 'set their encoding with Encoding<-')
      }
      data[[i]] <- enc2utf8(marked)
    }
  }
  data
}

# A frame without what is of one process, or of how a file was read: the memory, key and indices of a
# data.table, its class of dates, and what readr tells of a file.
plain_frame <- function(data) {
  kinds <- class(data)
  dropped <- if ("data.table" %in% kinds) c(".internal.selfref", "sorted", "index")
  if ("spec_tbl_df" %in% kinds) {
    dropped <- c("spec", "problems")
    kinds <- setdiff(kinds, "spec_tbl_df")
  }
  if (any(c("grouped_df", "rowwise_df") %in% kinds)) {
    unstorable(paste("is of the class", kinds[1]), "ungroup it with dplyr::ungroup(), which keeps all rows")
  }
  if (!list(kinds) %in% FRAMES) {
    unstorable(paste("is of the class", paste(kinds, collapse = "/")), "convert it with as.data.frame()")
  }
  others <- setdiff(names(attributes(data)), c("names", "row.names", "class", dropped))
  if (length(others)) {
    unstorable(sprintf('has the attribute "%s"', others[1]),
      sprintf('remove it with attr(data, "%s") <- NULL', others[1]))
  }
  for (one in dropped) attr(data, one) <- NULL
  class(data) <- NULL # a list from here on: methods of the class would change it otherwise
  for (i in which(vapply(data, inherits, NA, "IDate"))) class(data[[i]]) <- "Date"
  attr(data, "class") <- kinds
  data
}

FRAMES <- list("data.frame", c("tbl_df", "tbl", "data.frame"), c("data.table", "data.frame"))

unstorable <- function(what, remedy) {
  sfx_stop("schema_mismatch", paste0("the data frame ", what, ", which cannot be stored without loss"),
    which = "argument data", remedy = remedy)
}

refuse <- function(x, name) {
  kind <- typeof(x)
  if (inherits(x, "POSIXlt")) {
    sfx_stop("schema_mismatch", sprintf('column "%s" is POSIXlt', name),
      which = paste("column", name), remedy = "convert it with as.POSIXct()")
  }
  inner <- if (kind == "list") vapply(x, typeof, "") else kind
  data <- c("logical", "integer", "double", "character", "raw", "list", "NULL")
  bad <- setdiff(inner, data)
  if (length(bad)) {
    sfx_stop("schema_mismatch", sprintf('column "%s" holds %s values, which cannot be stored', name, bad[1]),
      which = paste("column", name), remedy = "convert it, or drop it")
  }
}

# Frames on their way in.
received <- function(data) {
  if (inherits(data, "data.table") && requireNamespace("data.table", quietly = TRUE)) {
    data <- data.table::setalloccol(data) # room for more columns, and a pointer to itself
  }
  long <- names(data)[vapply(data, inherits, NA, "integer64")]
  if (length(long) && !requireNamespace("bit64", quietly = TRUE)) {
    # without the package's methods, R would take their bits for doubles
    sfx_stop("schema_mismatch",
      sprintf('column "%s" has integers of 64 bits, and the package bit64 is not installed', long[1]),
      which = paste("column", long[1]),
      remedy = 'install.packages("bit64"), or read with int64 = "double"')
  }
  data
}
