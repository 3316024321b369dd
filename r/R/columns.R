# Data frames on their way out: refuse what is not data by its name, before it is written.

prepared <- function(data) {
  if (!is.data.frame(data)) {
    sfx_stop("schema_mismatch", paste("a", class(data)[1], "is not a data frame"),
      which = "argument data", remedy = "convert it with as.data.frame()")
  }
  if (inherits(data, "data.table")) {
    # without its pointer into the memory of this process, which the package makes anew when it needs it
    data <- structure(as.list(data), names = names(data), row.names = .set_row_names(nrow(data)),
      class = c("data.table", "data.frame"))
  }
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
