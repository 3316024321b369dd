#' Save a fitted model as a new version
#'
#' `lm`, `glm` and `rpart` models are saved as their coefficients or their tree, and as an ONNX graph
#' of these, which Python and other servers score without R and without running code of the
#' artifact. They are saved only if both give R's own predictions for the rows that the model is
#' described with, and for rows with missing values. A term that cannot be kept, such as `poly(x, 2)`,
#' is refused by name before anything is written. Any other model is saved as R's own file, which only
#' R can use, and only if the caller trusts it.
#'
#' @param fit The fitted model.
#' @param name The model's name.
#' @param ... Not used; the arguments that follow are named.
#' @param inputs A list of pins by role: `list(train = pin)`. These batches are kept as long as the
#'   model.
#' @param target The column that it predicts; by default that of the formula.
#' @param params,metrics Lists of values by name.
#' @param example Rows as the model gets them; by default some of the batches of `inputs`.
#' @param native Whether to save R's own file even of an `lm`, `glm` or `rpart`.
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
                          metrics = list(), example = NULL, native = FALSE, reason = "") {
  no_more(...)
  if (inherits(inputs, "sfx_pin")) inputs <- list(train = inputs)
  if (!isS4(fit) && !any(vapply(class(fit), has_predict, NA))) {
    wrong("fit", paste0("is of the class ", class(fit)[1], ", which has no predict() method"))
  }
  parts <- if (isTRUE(native)) list() else parts_of(fit)
  alone <- !length(parts) # only R can use it
  rows <- example_rows(fit, inputs, example, complete = alone)
  checked <- if (alone) rows else with_missing(rows)
  answers <- answers_of(fit, checked, parts$classes)
  if (is.null(target)) target <- formula_target(fit)
  args <- c(parts, list(
    name = one_text(name, "name"), kind = class(fit)[1], described = nrow(rows),
    inputs = lapply(inputs, pin_json, "inputs"), target = target, params = named(params),
    metrics = named(metrics), reason = one_text(reason, "reason"),
    parameters = list(formula = formula_text(fit), r = as.character(getRversion()),
      packages = if (alone) I(packages_of(fit)))
  ))
  if (!length(args$inputs)) args$inputs <- NULL
  if (alone) args$native <- jsonlite::base64_enc(serialize(fit, NULL, version = 2))
  done <- request("model_save", args, frame = prepared(cbind(checked, answers)))
  if (alone && !isTRUE(native)) {
    message("sfx: saved as a file of R, which only R can use: ", class(fit)[1],
      " is not one of lm, glm and rpart")
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
  if (!is.null(native)) {
    for (needed in unlist(about$packages)) need_package(needed, about$version)
    check_golden(native, about$version)
  }
  structure(c(about, list(native = native)), class = "sfx_model")
}

need_package <- function(name, version) {
  if (!requireNamespace(name, quietly = TRUE)) {
    sfx_stop("model_refused", paste0("the model needs the package ", name, ", which is not installed"),
      which = paste("model", version), remedy = sprintf('install.packages("%s")', name))
  }
}

# A file of R answers its golden rows as it did when it was saved, or is refused.
check_golden <- function(native, version) {
  rows <- request("model_golden", list(source = version), reads = TRUE)$frame
  wanted <- rows$.prediction
  rows$.prediction <- NULL
  got <- predicted(native, rows)
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
    return(data.frame(prediction = predicted(model$native, as.data.frame(data))))
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

example_rows <- function(fit, inputs, example, complete) {
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
  rows <- if (length(takes)) rows[takes] else rows[setdiff(names(rows), formula_target(fit))]
  if (complete) rows <- rows[stats::complete.cases(rows), , drop = FALSE]
  if (nrow(rows) > MOST_EXAMPLES) {
    rows <- rows[unique(round(seq(1, nrow(rows), length.out = MOST_EXAMPLES))), , drop = FALSE]
  }
  row.names(rows) <- NULL
  rows
}

# The rows, and some without the value of each column, and without any.
with_missing <- function(rows) {
  more <- rows[rep(1, ncol(rows) + 1), , drop = FALSE]
  for (i in seq_along(rows)) more[c(i, nrow(more)), i] <- NA
  structure(rbind(rows, more), row.names = .set_row_names(nrow(rows) + nrow(more)))
}

# R's own answers to the rows.
answers_of <- function(fit, rows, classes) {
  tryCatch({
    if (!length(classes)) return(data.frame(.prediction = predicted(fit, rows)))
    classes <- as.character(classes)
    chances <- stats::predict(fit, rows, type = "prob")[, classes, drop = FALSE]
    chances <- structure(as.data.frame(unname(chances)),
      names = paste0(".probability", seq_along(classes)))
    cbind(.prediction = as.character(stats::predict(fit, rows, type = "class")), chances)
  }, error = function(e) {
    if (inherits(e, "sfx_error")) stop(e)
    sfx_stop("model_refused", paste0("R does not predict the rows of example: ", conditionMessage(e)),
      which = paste("model of the class", class(fit)[1]),
      remedy = "pass rows as the model gets them, as example =")
  })
}

# R's prediction for each row: a number, the response of a glm.
predicted <- function(fit, rows) {
  values <- if (inherits(fit, "glm")) stats::predict(fit, rows, type = "response")
  else stats::predict(fit, rows)
  if (!is.numeric(values) || length(values) != nrow(rows)) {
    wrong("fit", "must predict a number for each row")
  }
  as.double(values)
}

has_predict <- function(kind) !is.null(utils::getS3method("predict", kind, optional = TRUE))

# The packages whose methods predict with a model.
packages_of <- function(fit) {
  found <- lapply(Filter(has_predict, class(fit)), function(kind) {
    environmentName(topenv(environment(utils::getS3method("predict", kind))))
  })
  setdiff(unlist(found), c("stats", "base", "R_GlobalEnv"))
}

# What Python can score of a model; nothing for others.
parts_of <- function(fit) {
  if (inherits(fit, "rpart")) return(parts_of_tree(fit))
  kinds <- class(fit)
  if (identical(kinds, "lm") || identical(kinds, c("glm", "lm"))) {
    parts <- coefficients_of(fit)
    return(list(coefficients = parts, levels = parts$levels))
  }
  list()
}

parts_of_tree <- function(fit) {
  if (!fit$method %in% c("class", "anova")) {
    unkept(paste0("rpart with method = \"", fit$method, "\""), "use the method anova or class")
  }
  frame <- fit$frame
  used <- setdiff(unique(as.character(frame$var)), "<leaf>")
  for (column in union(used, rownames(fit$splits))) {
    if (!column %in% all.vars(stats::terms(fit))) {
      unkept(column, "a tree can divide by columns only: add it to the data as a column")
    }
  }
  classes <- if (fit$method == "class") attr(fit, "ylevels")
  levels <- attr(fit, "xlevels")
  list(
    tree = list(nodes = lapply(seq_len(nrow(frame)), tree_node, fit = fit, levels = levels,
      classes = classes), classes = I(as.character(classes))),
    classes = if (length(classes)) I(classes),
    levels = if (length(levels)) lapply(levels, I)
  )
}

# A node with its splits: the one that divides, then those for rows without its value.
tree_node <- function(i, fit, levels, classes) {
  frame <- fit$frame
  k <- length(classes)
  node <- if (!k) list(values = I(frame$yval[i]))
  else list(values = I(unname(frame$yval2[i, k + 1 + seq_len(k)])), label = frame$yval[i] - 1)
  if (frame$var[i] == "<leaf>") return(node)
  numbers <- as.integer(row.names(frame))
  children <- match(2 * numbers[i] + 0:1, numbers)
  inner <- frame$var != "<leaf>"
  first <- 1 + sum((1 + frame$ncompete + frame$nsurrogate)[inner & seq_along(inner) < i])
  uses <- fit$control$usesurrogate
  places <- c(first, if (uses > 0) first + frame$ncompete[i] + seq_len(frame$nsurrogate[i]))
  counts <- frame$n[children]
  c(node, list(
    splits = lapply(places, tree_split, fit = fit, levels = levels),
    otherwise = if (uses > 1) sign(counts[2] - counts[1]) else 0,
    left = children[1] - 1, right = children[2] - 1
  ))
}

tree_split <- function(place, fit, levels) {
  column <- rownames(fit$splits)[place]
  split <- fit$splits[place, ]
  known <- levels[[column]]
  ways <- split[["ncat"]]
  if (abs(ways) < 2 && is.null(known)) {
    return(list(column = column, below = split[["index"]], smaller_left = ways < 0))
  }
  if (abs(ways) < 2) { # an ordered factor, by the numbers of its levels
    left <- (seq_along(known) < split[["index"]]) == (ways < 0)
  } else {
    goes <- fit$csplit[split[["index"]], seq_along(known)]
    left <- (goes == 1)[goes != 2] # levels that no row of the node had go to neither side
    known <- known[goes != 2]
  }
  list(column = column, levels = as.list(structure(left, names = known)))
}
