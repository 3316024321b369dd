cars_data <- transform(mtcars, gear = factor(gear), manual = am == 1, kind = ifelse(vs == 1, "straight", "v:shaped"))
cars_data$hp[3] <- NA
cars_data$kind[5] <- NA
cars_data$gear[7] <- NA

saved <- function(fit, name, data = cars_data, ...) {
  pin <- sf_writer(data, "models_of_r", name)
  sf_model_save(fit, name, inputs = list(train = pin), ...)
}

test_that("linear models predict as in R, without R", {
  fits <- list(
    plain = lm(mpg ~ wt + hp, cars_data),
    terms = lm(mpg ~ log(wt) + I(hp^2) + gear + manual + kind, cars_data),
    crossed = lm(mpg ~ gear * wt + manual:hp + factor(cyl), cars_data),
    sums = lm(mpg ~ gear * kind, cars_data, contrasts = list(gear = "contr.sum", kind = "contr.helmert")),
    alone = lm(mpg ~ 1, cars_data),
    bare = lm(mpg ~ gear - 1, cars_data),
    logit = glm(manual ~ wt, binomial, cars_data),
    probit = glm(manual ~ hp, binomial("probit"), cars_data),
    counts = glm(carb ~ wt + kind + offset(log(disp)), poisson, cars_data)
  )
  for (name in names(fits)) {
    suppressWarnings(expected <- unname(predict(fits[[name]], cars_data, type = "response")))
    version <- suppressWarnings(saved(fits[[name]], name, metrics = list(n = 32)))
    model <- sf_model_load(version)
    expect_null(model$native)
    found <- sf_predict(model, cars_data)$prediction
    expect_equal(found, expected, tolerance = 1e-12, info = name)
    expect_identical(is.na(found), is.na(expected), info = name)
    expect_false(any(is.nan(found)), info = name)
  }
  expect_equal(model$metrics$n, 32)
  expect_output(print(model), "counts/")
  expect_equal(predict(sf_model_load("counts"), cars_data[1:2, ])$prediction, expected[1:2])
})

test_that("trees predict as in R, without R", {
  number <- rpart::rpart(mpg ~ wt + hp + gear + kind, cars_data, control = rpart::rpart.control(minsplit = 5))
  model <- sf_model_load(saved(number, "tree_of_numbers"))
  expect_identical(sf_predict(model, cars_data)$prediction, unname(predict(number, cars_data)))
  class <- rpart::rpart(gear ~ wt + hp + kind, cars_data, control = rpart::rpart.control(minsplit = 5))
  model <- sf_model_load(saved(class, "tree_of_classes"))
  got <- sf_predict(model, cars_data)
  expect_identical(got$prediction, as.character(predict(class, cars_data, type = "class")))
  expect_identical(unname(as.matrix(got[-1])), unname(predict(class, cars_data)))
})

test_that("another model is a file of R, behind trust", {
  fit <- loess(mpg ~ wt, cars_data)
  expect_message(version <- saved(fit, "smooth"), "only R can use")
  refused <- refusal(sf_model_load(version))
  expect_s3_class(refused, "sfx_model_refused")
  expect_match(refused$remedy, "trust = TRUE")
  model <- sf_model_load(version, trust = TRUE)
  known <- cars_data[!is.na(cars_data$wt), ]
  expect_equal(sf_predict(model, known)$prediction, unname(predict(fit, known)))
  other <- refusal(getFromNamespace("check_golden", "sfx")(lm(mpg ~ wt, cars_data), version))
  expect_match(other$what, "golden rows")
})

test_that("what Python does not know is refused by name, before anything is written", {
  cars <- transform(cars_data, day = as.Date("2016-10-31") + carb, `a(b)` = wt, check.names = FALSE)
  train <- sf_writer(cars, "models_of_r", "refused")
  refused <- function(fit) {
    error <- refusal(sf_model_save(fit, "refused", inputs = train))
    expect_s3_class(error, "sfx_model_refused")
    expect_match(error$remedy, "native = TRUE")
    error$what
  }
  expect_match(refused(lm(mpg ~ poly(wt, 2), cars)), "poly(wt, 2)", fixed = TRUE)
  expect_match(refused(lm(mpg ~ wt + I(hp * wt), cars)), "I(hp * wt)", fixed = TRUE)
  expect_match(refused(lm(mpg ~ cut(wt, 3), cars)), "cut(wt, 3)", fixed = TRUE)
  expect_match(refused(lm(mpg ~ wt > 3, cars)), "wt > 3", fixed = TRUE)
  expect_match(refused(lm(mpg ~ day, cars)), "day")
  expect_match(refused(lm(mpg ~ `a(b)`, cars)), "a(b)", fixed = TRUE)
  expect_match(refused(lm(mpg ~ wt, cars, offset = disp)), "offset = disp")
  expect_match(refused(lm(mpg ~ wt + offset(disp * 2), cars)), "disp * 2", fixed = TRUE)
  expect_match(refused(glm(am ~ wt, binomial("cauchit"), cars)), "cauchit")
  expect_match(refused(rpart::rpart(mpg ~ log(wt), cars)), "log(wt)", fixed = TRUE)
  expect_match(refused(rpart::rpart(carb ~ wt, cars, method = "poisson")), "poisson")
  expect_s3_class(refusal(sf_model_load("refused")), "sfx_partition_not_found")
  version <- sf_model_save(lm(mpg ~ poly(wt, 2), mtcars), "poly", example = mtcars, native = TRUE)
  model <- sf_model_load(version, trust = TRUE)
  expect_equal(sf_predict(model, mtcars)$prediction, unname(predict(lm(mpg ~ poly(wt, 2), mtcars), mtcars)))
})

test_that("numbers reach Python in all their digits", {
  x <- c(0.1 + 0.2, 0.3, 1 / 3)
  sf_writer(data.frame(x), "types", "digits")
  expect_identical(sf_reader("types", "digits", filter = list("x", "==", 0.1 + 0.2))$x, x[1])
  expect_identical(sf_reader("types", "digits", filter = list("x", "in", x[c(1, 3)]))$x, x[c(1, 3)])
})

test_that("bad calls are refused", {
  expect_match(refusal(sf_model_save(lm(mpg ~ wt, mtcars), "none"))$what, "example")
  expect_s3_class(refusal(sf_model_load("nothing")), "sfx_partition_not_found")
  expect_match(refusal(sf_predict(1, mtcars))$what, "model")
  expect_match(refusal(sf_model_save(mean, "none", example = mtcars))$what, "no predict")
  expect_match(refusal(sf_model_save(smooth.spline(mtcars$wt, mtcars$mpg), "none", example = mtcars["wt"]))$what,
    "`fit` must predict a number", fixed = TRUE)
  expect_match(refusal(sf_predict(sf_model_load("plain"), data.frame(wt = 1)))$what, "hp")
})
