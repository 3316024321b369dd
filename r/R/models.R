#' Save a fitted model as a new version
#'
#' `lm`, `glm` and `rpart` models are saved as their coefficients or their tree, which Python serves
#' without R and without running code of the artifact. They are kept so only if they give R's own
#' predictions, to nine digits, for the rows that the model was described with. Any other model is
#' saved as R's own file, which only R can use, and only if the caller trusts it.
#'
#' @param fit The fitted model.
#' @param name The model's name.
#' @param ... Not used; the arguments that follow are named.
#' @param inputs A list of pins by role: `list(train = pin)`. These batches are kept as long as the
#'   model.
#' @param target The column that it predicts; by default that of the formula.
#' @param params,metrics Lists of values by name.
#' @param example Rows as the model gets them; by default some of the batches of `inputs`.
#' @param reason The reason, recorded in the history.
#' @return The version, such as `"delays/20161101002256"`.
#' @seealso [sf_model_load()], [sf_predict()]
#' @examples
#' \donttest{
#' if (nzchar(Sys.which("sfx"))) {
#'   Sys.setenv(SFX_WAREHOUSE = paste0("embedded://", tempfile()))
#'   train <- sf_writer(mtcars, "cars", "tests")
#'   fit <- lm(mpg ~ wt + log(hp), mtcars)
#'   version <- sf_model_save(fit, "mileage", inputs = list(train = train))
#'   sf_predict(sf_model_load(version), mtcars[1:3, ])
#' }
#' }
#' @export
sf_model_save <- function(fit, name, ..., inputs = NULL, target = NULL, params = list(),
                          metrics = list(), example = NULL, reason = "") {
  no_more(...)
  if (inherits(inputs, "sfx_pin")) inputs <- list(train = inputs)
  rows <- example_rows(fit, inputs, example)
  parts <- parts_of(fit)
  answers <- answers_of(fit, rows, parts$classes)
  if (is.null(target)) target <- formula_target(fit)
  args <- c(parts, list(
    name = one_text(name, "name"), kind = class(fit)[1], inputs = lapply(inputs, pin_json, "inputs"),
    target = target, params = named(params), metrics = named(metrics), reason = one_text(reason, "reason"),
    parameters = list(formula = formula_text(fit), r = as.character(getRversion()))
  ))
  if (!length(args$inputs)) args$inputs <- NULL
  data <- prepared(cbind(rows, answers))
  done <- request("model_save", args, frame = data)
  if (!is.null(done$refused)) {
    # the predictions of its parts are not R's: keep R's own file, which is larger
    args[c("coefficients", "tree")] <- NULL
    args$native <- jsonlite::base64_enc(serialize(fit, NULL, version = 2))
    why <- done$refused
    done <- request("model_save", args, frame = data)
    message("sfx: saved as a file of R, which only R can use: ", why)
  }
  done$version
}

#' Load a model
#'
#' @param source `"NAME@ALIAS"`, `"NAME/VERSION"`, `"NAME"` for the last version, or the path of a zip.
#' @param ... Not used; the arguments that follow are named.
#' @param trust Whether to load a file of R, which can run code when it is used.
#' @return The model, for [sf_predict()].
#' @inherit sf_model_save examples
#' @export
sf_model_load <- function(source, ..., trust = FALSE) {
  no_more(...)
  found <- request("model_load", list(source = one_text(source, "source"), trust = isTRUE(trust)),
    reads = isTRUE(trust), optional = TRUE)
  about <- if (isTRUE(trust)) found$value else found
  native <- if (isTRUE(trust)) found$frame
  if (!is.null(native)) check_golden(native, about$version)
  structure(c(about, list(native = native)), class = "sfx_model")
}

# A file of R answers its golden rows as it did when it was saved, or is refused.
check_golden <- function(native, version) {
  rows <- request("model_golden", list(source = version), reads = TRUE)$frame
  wanted <- rows$.prediction
  rows$.prediction <- NULL
  got <- as.vector(stats::predict(native, rows))
  if (!isTRUE(all.equal(got, wanted, tolerance = 1e-8))) {
    sfx_stop("model_refused", "the model answers its golden rows otherwise than when it was saved",
      which = paste("model", version),
      remedy = "use the versions of R and its packages that it was saved with, or save it again")
  }
}

#' Predict with a loaded model
#'
#' @param model What [sf_model_load()] returned, or the name of a model.
#' @param data A data frame with the model's columns.
#' @return A data frame with `prediction`, and the probability of each class of a classification.
#' @inherit sf_model_save examples
#' @export
sf_predict <- function(model, data) {
  if (is.character(model)) model <- sf_model_load(model)
  if (!inherits(model, "sfx_model")) wrong("model", "must be what sf_model_load() returned")
  if (!is.null(model$native)) {
    return(data.frame(prediction = as.vector(stats::predict(model$native, data))))
  }
  unknown <- setdiff(unlist(model$columns), names(data))
  if (length(unknown)) wrong("data", paste0("lacks the column ", unknown[1]))
  request("model_predict", list(source = model$version),
    frame = prepared(as.data.frame(data)[unlist(model$columns)]), reads = TRUE)$frame
}

#' @export
predict.sfx_model <- function(object, newdata, ...) sf_predict(object, newdata)

#' @export
print.sfx_model <- function(x, ...) {
  cat("<model ", x$version, ": ", x$task, " by ", paste(unlist(x$columns), collapse = ", "), ">\n", sep = "")
  invisible(x)
}

MOST_EXAMPLES <- 2000

named <- function(x) if (length(x)) as.list(x) else NULL

formula_text <- function(fit) {
  found <- tryCatch(stats::formula(fit), error = function(e) NULL)
  if (is.null(found)) "" else paste(deparse(found, width.cutoff = 500), collapse = " ")
}

formula_target <- function(fit) {
  found <- tryCatch(stats::formula(fit), error = function(e) NULL)
  if (length(found) == 3) all.vars(found[[2]])[1] else NULL
}

# The columns that the model takes.
variables <- function(fit) {
  found <- tryCatch(stats::delete.response(stats::terms(fit)), error = function(e) NULL)
  if (is.null(found)) NULL else all.vars(found)
}

example_rows <- function(fit, inputs, example) {
  rows <- example
  if (is.null(rows) && length(inputs)) {
    first <- if (is.null(inputs$train)) inputs[[1]] else inputs$train
    rows <- sf_reader(pin = first, int64 = "double")
  }
  if (!is.data.frame(rows) || !nrow(rows)) {
    wrong("example", "is missing: pass inputs = list(train = pin), or some rows as the model gets them")
  }
  rows <- as.data.frame(rows)
  takes <- intersect(variables(fit), names(rows))
  if (length(takes)) rows <- rows[takes]
  rows <- rows[stats::complete.cases(rows), , drop = FALSE]
  if (nrow(rows) > MOST_EXAMPLES) {
    rows <- rows[unique(round(seq(1, nrow(rows), length.out = MOST_EXAMPLES))), , drop = FALSE]
  }
  row.names(rows) <- NULL
  rows
}

# R's own answers to the rows.
answers_of <- function(fit, rows, classes) {
  if (length(classes)) {
    classes <- as.character(classes)
    chances <- stats::predict(fit, rows, type = "prob")[, classes, drop = FALSE]
    chances <- structure(as.data.frame(unname(chances)),
      names = paste0(".probability", seq_along(classes)))
    first <- max.col(as.matrix(chances), ties.method = "first")
    return(cbind(.prediction = classes[first], chances))
  }
  values <- if (inherits(fit, "glm")) stats::predict(fit, rows, type = "response")
  else stats::predict(fit, rows)
  if (!is.numeric(values) || length(values) != nrow(rows)) {
    wrong("fit", "must predict a number for each row")
  }
  data.frame(.prediction = as.double(values))
}

# What Python can score of a model; nothing for others.
parts_of <- function(fit) {
  if (inherits(fit, "rpart")) return(parts_of_tree(fit))
  kinds <- class(fit)
  if (identical(kinds, "lm") || identical(kinds, c("glm", "lm"))) {
    return(list(coefficients = coefficients_of(fit)))
  }
  list()
}

coefficients_of <- function(fit) {
  values <- stats::coef(fit)
  values <- values[!is.na(values)] # aliased terms, which predict() leaves out, too
  intercept <- names(values) == "(Intercept)"
  spelt <- term_spellings(fit)
  names(values) <- ifelse(names(values) %in% names(spelt), spelt[names(values)], names(values))
  logical <- names(which(attr(stats::terms(fit), "dataClasses")[-1] == "logical"))
  levels <- c(fit$xlevels, structure(rep(list(c("false", "true")), length(logical)), names = logical))
  list(
    terms = if (all(intercept)) structure(list(), names = character()) else as.list(values[!intercept]),
    intercept = if (any(intercept)) values[[which(intercept)]] else 0,
    link = if (inherits(fit, "glm")) fit$family$link else "identity",
    levels = if (length(levels)) lapply(levels, function(one) I(as.character(one)))
    else structure(list(), names = character())
  )
}

# R's names of coefficients, such as carrierUA:distance, as carrier[UA]:distance.
term_spellings <- function(fit) {
  classes <- attr(stats::terms(fit), "dataClasses")
  pieces <- function(variable) {
    if (variable %in% names(fit$xlevels)) {
      levels <- fit$xlevels[[variable]]
      return(structure(paste0(variable, "[", levels, "]"), names = paste0(variable, levels)))
    }
    if (identical(classes[[variable]], "logical")) {
      return(structure(paste0(variable, "[", c("false", "true"), "]"),
        names = paste0(variable, c("FALSE", "TRUE"))))
    }
    structure(variable, names = variable)
  }
  factors <- attr(stats::terms(fit), "factors")
  spelt <- character()
  for (label in colnames(factors)) {
    found <- structure("", names = "")
    for (variable in rownames(factors)[factors[, label] > 0]) {
      more <- pieces(variable)
      joined <- outer(found, more, function(a, b) ifelse(nzchar(a), paste0(a, ":", b), b))
      names_joined <- outer(names(found), names(more), function(a, b) ifelse(nzchar(a), paste0(a, ":", b), b))
      found <- structure(as.vector(joined), names = as.vector(names_joined))
    }
    spelt <- c(spelt, found)
  }
  spelt
}

parts_of_tree <- function(fit) {
  classes <- if (fit$method == "class") attr(fit, "ylevels")
  if (!fit$method %in% c("class", "anova")) return(list())
  frame <- fit$frame
  numbers <- as.integer(row.names(frame))
  xlevels <- attr(fit, "xlevels")
  # the first split of each node is the one that divides; competitors and surrogates follow it
  first <- cumsum(c(1, frame$ncompete + frame$nsurrogate + (frame$var != "<leaf>")))
  nodes <- lapply(seq_along(numbers), function(i) {
    if (frame$var[i] == "<leaf>") {
      if (is.null(classes)) return(list(values = I(frame$yval[i])))
      k <- length(classes)
      return(list(values = I(unname(frame$yval2[i, k + 1 + seq_len(k)]))))
    }
    column <- as.character(frame$var[i])
    split <- fit$splits[first[i], ]
    left <- match(2 * numbers[i], numbers) - 1L
    right <- match(2 * numbers[i] + 1, numbers) - 1L
    if (abs(split[["ncat"]]) < 2) {
      if (split[["ncat"]] > 0) { # smaller numbers go right: divide the same way, turned round
        at <- left
        left <- right
        right <- at
      }
      return(list(column = column, below = split[["index"]], left = left, right = right))
    }
    levels <- xlevels[[column]]
    goes <- fit$csplit[split[["index"]], seq_along(levels)]
    known <- goes != 2 # levels that no row of the node had go with neither side
    list(column = column, levels = as.list(structure(goes[known] == 1, names = levels[known])),
      left = left, right = right)
  })
  list(tree = list(nodes = nodes, classes = I(as.character(classes))),
    classes = if (length(classes)) I(classes))
}
