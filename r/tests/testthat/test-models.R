cars_data <- transform(mtcars, gear = factor(gear), manual = am == 1, kind = ifelse(vs == 1, "straight", "v:shaped"))
cars_data$kind[cars_data$kind == "v:shaped"] <- "v"

saved <- function(fit, name, data = cars_data, ...) {
  pin <- sf_writer(data, "models_of_r", name)
  sf_model_save(fit, name, inputs = list(train = pin), ...)
}

test_that("linear models predict as in R, without R", {
  fits <- list(
    plain = lm(mpg ~ wt + hp, cars_data),
    terms = lm(mpg ~ log(wt) + I(hp^2) + gear + manual + kind, cars_data),
    crossed = lm(mpg ~ gear * wt + manual:hp, cars_data),
    bare = lm(mpg ~ gear - 1, cars_data),
    logit = glm(manual ~ wt, binomial, cars_data),
    probit = glm(manual ~ hp, binomial("probit"), cars_data),
    counts = glm(carb ~ wt + kind, poisson, cars_data)
  )
  for (name in names(fits)) {
    suppressWarnings(expected <- unname(predict(fits[[name]], cars_data, type = "response")))
    version <- suppressWarnings(saved(fits[[name]], name, metrics = list(n = 32)))
    model <- sf_model_load(version)
    expect_null(model$native)
    expect_equal(sf_predict(model, cars_data)$prediction, expected, tolerance = 1e-12, info = name)
  }
  expect_equal(model$metrics$n, 32)
  expect_output(print(model), "counts/")
  expect_equal(predict(sf_model_load("counts"), cars_data[1:2, ])$prediction, expected[1:2])
})

test_that("trees predict as in R, without R", {
  number <- rpart::rpart(mpg ~ wt + hp + gear + kind, cars_data, control = rpart::rpart.control(minsplit = 5))
  model <- sf_model_load(saved(number, "tree_of_numbers"))
  expect_equal(sf_predict(model, cars_data)$prediction, unname(predict(number, cars_data)), tolerance = 1e-12)
  class <- rpart::rpart(gear ~ wt + hp + kind, cars_data, control = rpart::rpart.control(minsplit = 5))
  model <- sf_model_load(saved(class, "tree_of_classes"))
  got <- sf_predict(model, cars_data)
  expect_identical(got$prediction, as.character(predict(class, cars_data, type = "class")))
  expect_equal(unname(as.matrix(got[-1])), unname(predict(class, cars_data)), tolerance = 1e-12)
})

test_that("another model is a file of R, behind trust", {
  fit <- loess(mpg ~ wt, cars_data)
  expect_message(version <- saved(fit, "smooth"), "only R can use")
  refused <- refusal(sf_model_load(version))
  expect_s3_class(refused, "sfx_model_refused")
  expect_match(refused$remedy, "trust = TRUE")
  model <- sf_model_load(version, trust = TRUE)
  expect_equal(sf_predict(model, cars_data)$prediction, unname(predict(fit, cars_data)))
  other <- refusal(getFromNamespace("check_golden", "sfx")(lm(mpg ~ wt, cars_data), version))
  expect_match(other$what, "golden rows")
})

test_that("terms that Python does not know are never scored otherwise", {
  fit <- lm(mpg ~ poly(wt, 2), cars_data)
  expect_message(version <- saved(fit, "poly"), "only R can use")
  expect_equal(sf_predict(sf_model_load(version, trust = TRUE), cars_data)$prediction, unname(predict(fit)))
})

test_that("bad calls are refused", {
  expect_match(refusal(sf_model_save(lm(mpg ~ wt, mtcars), "none"))$what, "example")
  expect_s3_class(refusal(sf_model_load("nothing")), "sfx_partition_not_found")
  expect_match(refusal(sf_predict(1, mtcars))$what, "model")
  expect_match(refusal(sf_predict(sf_model_load("plain"), data.frame(wt = 1)))$what, "hp")
})
