# Random data frames of every type, with missing and extreme values.

texts <- c("", "NA", "a", "line\nbreak", "Z\u00fcrich", "\u043a\u043b\u044e\u0447", "\U0001f600", strrep("x", 300))
latin1 <- "Gr\xfc\xdfe"
Encoding(latin1) <- "latin1"
zones <- c("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")

some_na <- function(x) {
  if (length(x)) x[sample(length(x), sample(0:length(x), 1))] <- NA
  x
}

makers <- list(
  logical = function(n) sample(c(TRUE, FALSE, NA), n, TRUE),
  integer = function(n) some_na(sample(c(-2147483647L, 0L, 7L, 2147483647L), n, TRUE)),
  integer64 = function(n) {
    some_na(bit64::as.integer64(sample(
      c("-9223372036854775807", "4611686018427387904", "9007199254740993", "0"), n, TRUE)))
  },
  double = function(n) sample(c(NA, NaN, Inf, -Inf, 0, 1 / 3, 5e-324, 1e308, rnorm(1)), n, TRUE),
  character = function(n) some_na(sample(c(texts, latin1), n, TRUE)),
  factor = function(n) {
    levels <- sample(texts[nzchar(texts)], sample(1:6, 1))
    some_na(factor(sample(levels, n, TRUE), levels = levels))
  },
  ordered = function(n) {
    some_na(factor(sample(c("low", "high"), n, TRUE), c("low", "mid", "high"), ordered = TRUE))
  },
  date = function(n) some_na(as.Date(sample(c(-719162L, -1L, 0L, 17000L, 2932896L), n, TRUE) + 0, origin = "1970-01-01")),
  day = function(n) some_na(structure(sample(17000:18000, n, TRUE), class = "Date")),
  time = function(n) {
    some_na(as.POSIXct(round(runif(n, -5e9, 5e9), sample(0:6, 1)), origin = "1970-01-01", tz = sample(zones, 1)))
  },
  clock = function(n) some_na(Sys.time() + runif(n) * 1e6),
  local = function(n) some_na(structure(round(runif(n, 0, 2e9)), class = c("POSIXct", "POSIXt"), tzone = "")),
  whole = function(n) some_na(structure(sample(1e9L, n, TRUE), class = c("POSIXct", "POSIXt"), tzone = "UTC")),
  difftime = function(n) {
    some_na(as.difftime(round(rnorm(n, 0, 1e4), sample(0:6, 1)),
      units = sample(c("secs", "mins", "hours", "days", "weeks"), 1)))
  },
  raw = function(n) as.raw(sample(0:255, n, TRUE)),
  list = function(n) {
    one <- sample(makers[c("logical", "integer", "double", "character")], 1)[[1]]
    lapply(seq_len(n), function(i) if (runif(1) < 0.2) NULL else one(sample(0:3, 1)))
  },
  asis = function(n) I(lapply(seq_len(n), function(i) seq_len(sample(0:3, 1)) + 0.5)),
  blobs = function(n) lapply(seq_len(n), function(i) if (runif(1) < 0.2) NULL else as.raw(sample(0:255, sample(0:4, 1)))),
  unknown = function(n) rep(NA, n)
)

random_frame <- function(most_columns = 6) {
  n <- sample(c(0, 1, 2, 5, 20), 1)
  kinds <- sample(names(makers), sample(most_columns, 1), TRUE)
  frame <- structure(lapply(kinds, function(kind) makers[[kind]](n)),
    names = make.unique(kinds, "_"), row.names = .set_row_names(n), class = "data.frame")
  shape <- sample(5, 1)
  if (shape == 1 && n) row.names(frame) <- paste0("row", sample(n))
  if (shape == 2 && n) row.names(frame) <- sample(100L, n)
  if (shape == 3) class(frame) <- c("tbl_df", "tbl", "data.frame")
  frame
}
