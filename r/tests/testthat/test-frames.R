test_that("the two calls of the talk store and read a partition", {
  opt <- list(ETL_DATE = "20161031")
  dest_db <- "sales"
  dest_table <- "sold_items"
  pin <- sf_writer(data = sold, namespace = dest_db, resource = dest_table, partitions = c(as.integer(opt$ETL_DATE)))
  got <- sf_reader(namespace = dest_db, resource = dest_table, partitions = c(as.integer(opt$ETL_DATE)))
  expect_identical(got, sold)
  expect_s3_class(pin, "sfx_pin")
  expect_named(pin$batches, "20161031")
  expect_output(print(pin), "pin of sales.sold_items")
})

test_that("every type comes back identical", {
  all <- data.frame(
    l = c(TRUE, NA), i = c(NA, -5L), x = c(NA, NaN), s = c("Z\u00fcrich", NA),
    f = factor(c("b", NA), levels = c("b", "a")),
    o = factor(c("low", "high"), levels = c("low", "mid", "high"), ordered = TRUE),
    d = as.Date(c("2016-10-31", NA)),
    t = as.POSIXct(c("2016-10-31 12:00:00", NA), tz = "Europe/Berlin"),
    now = Sys.time() + c(0, 0.25), local = as.POSIXct(c("2016-10-31 12:00", NA)),
    span = as.difftime(c(1.5, NA), units = "mins"), r = as.raw(c(0, 255)), none = c(NA, NA),
    stringsAsFactors = FALSE
  )
  all$big <- bit64::as.integer64(c("9223372036854775807", NA))
  all$whole <- structure(c(17000L, NA), class = "Date")
  all$parts <- list(c(1.5, NA), NULL)
  all$words <- I(list(c("a", NA), character()))
  all$blob <- list(as.raw(1:3), NULL)
  sf_writer(all, "types", "all")
  expect_identical(sf_reader("types", "all"), all)
  expect_identical(sf_reader("types", "all", columns = c("s", "i")), all[c("s", "i")])
})

test_that("latin1 is converted", {
  word <- "Gr\xfc\xdfe"
  Encoding(word) <- "latin1"
  sf_writer(data.frame(word), "types", "latin1")
  expect_identical(sf_reader("types", "latin1")$word, "Gr\u00fc\u00dfe")
})

test_that("row names, classes and empty frames come back", {
  sf_writer(mtcars, "types", "cars")
  expect_identical(sf_reader("types", "cars"), mtcars)
  some <- sold[c(3, 1), ]
  sf_writer(some, "types", "some")
  expect_identical(sf_reader("types", "some"), some)
  tibble <- structure(sold, class = c("tbl_df", "tbl", "data.frame"))
  sf_writer(tibble, "types", "tibble")
  expect_identical(sf_reader("types", "tibble"), tibble)
  sf_writer(sold[0, ], "types", "empty")
  expect_identical(sf_reader("types", "empty"), sold[0, ])
})

test_that("a data.table comes back as one that can be changed in place, and is left as it was", {
  table <- data.table::data.table(item = c("shoe", "hat"), n = c(2L, NA), day = as.Date("2016-10-31"))
  sf_writer(table, "types", "data_table")
  got <- sf_reader("types", "data_table")
  expect_identical(got, table)
  expect_silent(data.table::set(got, j = "more", value = 1))
  expect_named(got, c("item", "n", "day", "more"))
  # a key and indices are not kept, and dates are plain ones
  fast <- data.table::setkeyv(data.table::copy(table), "item")
  data.table::set(fast, j = "day", value = data.table::as.IDate(fast$day))
  data.table::setindexv(fast, "n")
  before <- attributes(fast)
  sf_writer(fast, "types", "fast")
  expect_identical(attributes(fast), before)
  got <- sf_reader("types", "fast")
  expect_null(data.table::key(got))
  expect_identical(as.data.frame(got), data.frame(item = c("hat", "shoe"), n = c(NA, 2L),
    day = structure(c(17105L, 17105L), class = "Date")))
  expect_identical(as.data.frame(table[1:2, ]), as.data.frame(table))
})

test_that("the class of a tibble of readr is a tibble, other classes and attributes are refused", {
  tibble <- structure(sold, class = c("tbl_df", "tbl", "data.frame"))
  as_read <- structure(tibble, class = c("spec_tbl_df", class(tibble)), spec = list("columns"))
  sf_writer(as_read, "types", "as_read")
  expect_identical(sf_reader("types", "as_read"), tibble)
  refused <- function(data) {
    error <- refusal(sf_writer(data, "types", "never"))
    expect_s3_class(error, "sfx_schema_mismatch")
    c(error$what, error$remedy)
  }
  for (kind in c("grouped_df", "rowwise_df")) {
    said <- refused(structure(tibble, class = c(kind, class(tibble)), groups = sold["item"]))
    expect_match(said[1], kind)
    expect_match(said[2], "ungroup")
  }
  expect_match(refused(CO2)[2], "as.data.frame")
  expect_match(refused(model.frame(mpg ~ wt, mtcars))[1], "terms")
  expect_match(refused(na.omit(sold))[2], 'attr(data, "na.action") <- NULL', fixed = TRUE)
  labelled <- sold
  labelled$n <- structure(c(1, 2, NA), labels = c(few = 1), class = c("haven_labelled", "vctrs_vctr", "double"))
  expect_match(refused(labelled)[1], "haven_labelled")
  expect_false("never" %in% sf_tables()$table)
})

test_that("a filter keeps rows, and several partitions are read with their key", {
  for (day in c(20161031L, 20161101L)) sf_writer(sold, "sales", "filtered", day)
  expect_identical(sf_reader("sales", "filtered", 20161031, filter = list("n", ">", 1L))$n, 3L)
  expect_identical(nrow(sf_reader("sales", "filtered", filter = list(list("item", "in", c("hat", "shoe"))))), 4L)
  both <- sf_reader("sales", "filtered", c(20161031, 20161101))
  expect_identical(both$partition, rep(c("20161031", "20161101"), each = 3))
})

test_that("partitions are those of columns, or have several keys", {
  data <- data.frame(n = 1:4, day = rep(as.Date("2016-10-31") + 0:1, 2))
  pin <- sf_writer(data, "sales", "by_day", partition_by = "day")
  expect_named(pin$batches, c("2016-10-31", "2016-11-01"))
  expect_identical(sf_reader("sales", "by_day", as.Date("2016-11-01"))$n, c(2L, 4L))
  sf_writer(sold, "sales", "two", c("2016", "US"), partition_keys = c("year", "country"))
  expect_identical(sf_reader("sales", "two", list(c("2016", "US")))$item, sold$item)
})
