# Values of R as JSON, and back.

to_json <- function(x) {
  jsonlite::toJSON(exact(x), auto_unbox = TRUE, null = "null", digits = NA, force = FALSE,
    json_verbatim = TRUE)
}

# Numbers in the 17 digits that give the same double again: jsonlite writes 15 at most.
exact <- function(x) {
  if (is.list(x)) return(if (length(x)) structure(lapply(x, exact), names = names(x)) else x)
  plain <- is.double(x) && length(x) && (!is.object(x) || inherits(x, "AsIs"))
  if (!plain || !all(is.finite(x)) || all(x == trunc(x) & abs(x) < 1e15)) return(x)
  text <- sprintf("%.17g", x)
  if (length(x) > 1 || inherits(x, "AsIs")) text <- paste0("[", paste(text, collapse = ","), "]")
  structure(text, class = "json")
}

# Text of one partition value, as Hive would write it.
value_text <- function(x, argument) {
  if (length(x) != 1 || is.na(x)) wrong(argument, "must have one value, not NA, for each key")
  if (inherits(x, "Date")) return(format(x, "%Y-%m-%d"))
  if (inherits(x, "integer64") || inherits(x, "factor")) return(as.character(x))
  if (is.logical(x)) return(tolower(as.character(x)))
  if (is.numeric(x)) {
    if (x != trunc(x)) wrong(argument, "has a number with a fraction: pass it as text")
    return(format(x, scientific = FALSE, trim = TRUE, digits = 22))
  }
  if (!is.character(x)) wrong(argument, "must be text, whole numbers or dates")
  enc2utf8(x)
}

# The values of one partition: one for each key.
partition_values <- function(partitions, argument = "partitions") {
  if (is.null(partitions)) return(NULL)
  lapply(seq_along(partitions), function(i) value_text(partitions[[i]], argument))
}

# Several partitions: a vector for tables with one key, a list of vectors for more.
partition_list <- function(partitions, argument = "partitions") {
  if (is.null(partitions)) return(NULL)
  if (!is.list(partitions)) return(partition_values(partitions, argument))
  lapply(partitions, function(one) {
    if (length(one) == 1) value_text(one[[1]], argument) else partition_values(one, argument)
  })
}

texts <- function(x) if (is.null(x)) NULL else I(enc2utf8(as.character(x)))

one_text <- function(x, argument) {
  if (missing(x)) wrong(argument, "is missing")
  if (!is.character(x) || length(x) != 1 || is.na(x)) wrong(argument, "must be one text")
  enc2utf8(x)
}

whole_number <- function(x, argument) {
  if (is.null(x)) return(NULL)
  whole <- is.numeric(x) && length(x) == 1 && !is.na(x) && x == trunc(x)
  if (!whole || abs(x) > .Machine$integer.max) wrong(argument, "must be one whole number")
  as.integer(x)
}

time_text <- function(x) {
  if (is.null(x)) return(NULL)
  if (inherits(x, "Date")) x <- as.POSIXct(format(x), tz = "UTC")
  if (is.character(x)) return(x)
  paste0(format(x, "%Y-%m-%dT%H:%M:%OS6", tz = "UTC"), "+00:00")
}

condition <- function(one) {
  if (!is.list(one) || length(one) != 3) {
    wrong("filter", 'must be a list of conditions such as list("price", ">", 3)')
  }
  value <- one[[3]]
  tagged <- function(v) {
    if (inherits(v, "Date")) list(date = format(v))
    else if (inherits(v, "POSIXt")) list(time = time_text(v))
    else if (inherits(v, "factor") || inherits(v, "integer64")) as.character(v)
    else v
  }
  several <- length(value) != 1 || one[[2]] %in% c("in", "not in")
  list(one[[1]], one[[2]],
    if (several) lapply(seq_along(value), function(i) tagged(value[[i]])) else tagged(value))
}

conditions <- function(filter) {
  if (is.null(filter)) return(NULL)
  if (is.list(filter) && length(filter) == 3 && is.character(filter[[1]])) filter <- list(filter)
  lapply(filter, condition)
}

as_pin <- function(json) {
  parts <- jsonlite::fromJSON(json, simplifyVector = FALSE)
  structure(
    list(
      database = parts$database, table = parts$table,
      batches = unlist(parts$batches), json = json
    ),
    class = "sfx_pin"
  )
}

pin_json <- function(pin, argument = "pin") {
  if (is.character(pin) && length(pin) == 1) return(pin)
  if (!inherits(pin, "sfx_pin")) wrong(argument, "must be a pin, as sf_writer() and sf_pin() return it")
  pin$json
}

#' @export
print.sfx_pin <- function(x, ...) {
  cat("<pin of ", x$database, ".", x$table, ">\n", sep = "")
  shown <- utils::head(x$batches, 10)
  cat(paste0("  ", names(shown), ifelse(nzchar(names(shown)), " ", ""), shown, "\n"), sep = "")
  if (length(x$batches) > 10) cat("  and ", length(x$batches) - 10, " more\n", sep = "")
  invisible(x)
}

#' @export
format.sfx_pin <- function(x, ...) x$json

#' @export
as.character.sfx_pin <- function(x, ...) x$json
