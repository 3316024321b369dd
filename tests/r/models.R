# Saves models of R, and R's answers to all rows of the table cars.tests.
set.seed(1)
n <- 30000
data <- data.frame(
  wt = round(rnorm(n, 3), 2), hp = rexp(n, 1 / 150), gear = factor(sample(3:5, n, TRUE)),
  cyl = sample(c(4, 6, 8), n, TRUE), kind = sample(c("v:1", "straight"), n, TRUE),
  size = factor(sample(c("low", "mid", "high"), n, TRUE), c("low", "mid", "high"), ordered = TRUE),
  am = sample(c(TRUE, FALSE), n, TRUE), doors = sample(2:5, n, TRUE), stringsAsFactors = FALSE)
data$mpg <- with(data, 40 - 5 * wt + (gear == "4") * am + (size == "high") * cyl + rnorm(n))
data$part <- cut(data$mpg, 4, labels = c("q", "r", "s", "t"))
data$price <- 2016 + data$doors
for (column in setdiff(names(data), c("mpg", "part"))) data[[column]][sample(n, n / 50)] <- NA
train <- sf_writer(data, "cars", "tests")
answers <- data.frame(row.names = seq_len(n))
keep <- function(name, fit, ...) {
  suppressWarnings(sf_model_save(fit, name, inputs = list(train = train), ...))
  answers[[name]] <<- as.vector(predict(fit, data, type = if (inherits(fit, "glm")) "response"
    else if (identical(fit$method, "class")) "class" else if (inherits(fit, "rpart")) "vector" else "response"))
}
grow <- function(formula, ...) rpart::rpart(formula, data, control = rpart::rpart.control(cp = 0.002, ...))
keep("linear", lm(mpg ~ log(wt + 0) + hp, transform(data, wt = abs(wt) + 1)), native = TRUE)
keep("crossed", lm(mpg ~ gear * wt + factor(cyl) + size:am + I(hp^2) + kind, data,
  contrasts = list(gear = "contr.sum")))
keep("rounded", lm(mpg ~ price + I(price^2), data))
keep("logit", glm(am ~ wt + kind + log(hp), binomial, data))
keep("probit", glm(am ~ wt * size, binomial("probit"), data))
keep("counts", glm(doors ~ wt + offset(log(cyl)), poisson, data))
keep("numbers", grow(mpg ~ wt + hp + gear + size + kind + am + doors))
keep("stays", grow(mpg ~ wt + gear + size, usesurrogate = 0))
keep("classes", grow(part ~ wt + gear + size + am))
keep("costs", rpart::rpart(part ~ wt + size, data, parms = list(loss = matrix(c(0, 1, 1, 9, 1, 0, 1, 1, 4, 1, 0, 1, 1, 1, 1, 0), 4))))
sf_writer(answers, "cars", "answers")
