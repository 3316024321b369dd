test_that("errors have a class, and say what, which and what to do", {
  sf_writer(sold, "sales", "there", 20161031)
  missing <- refusal(sf_reader("sales", "there", 20161101))
  expect_s3_class(missing, c("sfx_partition_not_found", "sfx_error", "error", "condition"), exact = TRUE)
  expect_match(missing$what, "20161101 does not exist")
  expect_identical(missing$which, "table sales.there, partition 20161101")
  expect_match(missing$remedy, "store it first")
  expect_identical(missing$partition, "20161101")
  expect_s3_class(refusal(sf_reader("sales", "nowhere")), "sfx_table_not_found")
  expect_s3_class(refusal(sf_reader("sales", "there", 20161031, batch_id = "20000101000000")), "sfx_batch_not_found")
  expect_s3_class(refusal(sf_writer(data.frame(n = "text"), "sales", "there", 20161031)), "sfx_schema_mismatch")
  expect_s3_class(refusal(sf_writer(sold, "sales;", "there")), "sfx_invalid_name")
})

test_that("what cannot be kept is refused by its column, before anything is written", {
  refused <- function(column) {
    data <- data.frame(good = 1:2)
    data$bad <- column
    error <- refusal(sf_writer(data, "sales", "never"))
    expect_s3_class(error, "sfx_schema_mismatch")
    expect_match(error$message, "column .bad.")
    error$message
  }
  expect_match(refused(c(1i, 2i)), "complex")
  expect_match(refused(I(list(mean, 1))), "closure")
  expect_match(refused(scale(1:2)), "matrix")
  expect_match(refused(as.POSIXlt(Sys.time() + 0:1)), "as.POSIXct")
  expect_match(refused(structure(1:2, label = "x")), "label")
  expect_match(refused(as.Date(c(1.5, NA), origin = "1970-01-01")), "whole")
  bytes <- c("a", "\xff")
  Encoding(bytes) <- "bytes"
  expect_match(refused(bytes), "bytes")
  expect_false("never" %in% sf_tables()$table)
})

test_that("arguments are checked", {
  expect_match(refusal(sf_writer(1, "a", "b"))$what, "not a data frame")
  expect_match(refusal(sf_writer(sold, "a", "b", 1.5))$what, "fraction")
  expect_match(refusal(sf_writer(sold, "a", "b", NA))$what, "NA")
  expect_match(refusal(sf_writer(sold, "a", "b", partiton_by = "x"))$what, "partiton_by")
  expect_match(refusal(sf_reader("a"))$what, "resource")
  expect_match(refusal(sf_writer(sold, "a"))$what, "`resource` is missing", fixed = TRUE)
  expect_match(refusal(sf_pin("a", "b", as_of = "tomorrow"))$what, "is not a time")
  expect_match(refusal(sf_pin("a", "b", version = 1.5))$what, "whole number")
  wrong_name <- refusal(sf_writer(sold, "a b", "c"))
  expect_no_match(wrong_name$what, "use 1 to", fixed = TRUE)
  expect_match(wrong_name$remedy, "^use 1 to")
  expect_match(refusal(sf_reader(pin = 3))$what, "pin")
  expect_match(refusal(sf_reader("a", "b", filter = list("x")))$what, "filter")
})

test_that("a missing or broken command is named, with what to do", {
  before <- Sys.getenv("SFX_BIN")
  on.exit(Sys.setenv(SFX_BIN = before))
  Sys.setenv(SFX_BIN = "/nowhere/sfx")
  error <- refusal(sf_tables())
  expect_s3_class(error, "sfx_not_installed")
  expect_match(error$remedy, "pip install airflow-sfx")
  Sys.setenv(SFX_BIN = unname(Sys.which("false")))
  expect_s3_class(refusal(sf_tables()), "sfx_not_started")
  Sys.setenv(SFX_BIN = before)
  expect_s3_class(sf_tables(), "data.frame")
})

test_that("a killed process is one clear error, and the session goes on", {
  sf_writer(sold, "sales", "killed")
  the <- getFromNamespace("the", "sfx")
  folder <- the$dir
  tools::pskill(the$pid, tools::SIGKILL)
  while (getFromNamespace("is_alive", "sfx")()) Sys.sleep(0.01)
  # the next call sees the end, and starts a new process
  expect_identical(sf_reader("sales", "killed"), sold)
  expect_false(dir.exists(folder))
})
