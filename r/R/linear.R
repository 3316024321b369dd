# Linear models as terms that Python knows: columns, levels, functions, and products of these.

MOST_TERMS <- 100000
EMPTY <- structure(list(), names = character(), row.names = 1L, class = "data.frame")
FUNCTIONS <- c("log", "log10", "log2", "log1p", "sqrt", "exp")
LINKS <- c("identity", "logit", "log", "probit", "cloglog", "inverse", "sqrt")

unkept <- function(term, remedy) {
  sfx_stop("model_refused", sprintf("the term %s cannot be kept for Python", term),
    which = paste("term", term),
    remedy = paste0(remedy, ", or save R's own file, which only R can use, with native = TRUE"))
}

coefficients_of <- function(fit) {
  link <- if (inherits(fit, "glm")) fit$family$link else "identity"
  if (!link %in% LINKS) unkept(paste("link", link), "use another link")
  if (!is.null(fit$call$offset)) {
    unkept(paste("offset =", deparse(fit$call$offset)[1]), "write it into the formula, as offset(log(n))")
  }
  terms <- stats::delete.response(stats::terms(fit))
  values <- stats::coef(fit)
  values[is.na(values)] <- 0 # aliased terms, which predict() leaves out, too
  pieces <- pieces_of(fit, terms)
  columns <- attr(design_of(fit, terms, pieces, EMPTY), "assign")
  weights <- c(unlist(lapply(seq_along(attr(terms, "term.labels")), weights_of,
    fit = fit, terms = terms, pieces = pieces, values = values, columns = columns)), offsets_of(terms))
  list(
    terms = if (length(weights)) as.list(tapply(weights, factor(names(weights), unique(names(weights))), sum))
    else structure(list(), names = character()),
    intercept = if (attr(terms, "intercept")) values[["(Intercept)"]] else 0,
    link = link, levels = levels_of(pieces)
  )
}

# Of each variable of the formula: its text for Python, its column, and its levels, if it has some.
pieces_of <- function(fit, terms) {
  classes <- attr(terms, "dataClasses")
  variables <- vapply(as.list(attr(terms, "variables"))[-1], text_of, "")
  structure(lapply(seq_along(variables), function(i) {
    if (i %in% attr(terms, "offset")) return(list()) # of no term
    variable <- variables[i]
    code <- str2lang(variable)
    kind <- classes[[variable]]
    if (kind %in% c("factor", "ordered", "character")) {
      known <- fit$xlevels[[variable]]
      return(list(text = column_of(code, c("factor", "as.factor")), levels = known))
    }
    if (kind == "logical") return(list(text = column_of(code), levels = c("false", "true")))
    if (kind != "numeric") unkept(variable, paste0("it is of the class ", kind, ": add it to the data as columns of numbers"))
    list(text = number_of(code))
  }), names = variables)
}

# The name of a column, or of the one that a call such as factor(column) has.
column_of <- function(code, calls = character()) {
  inner <- if (is.call(code) && length(code) == 2 && is.name(code[[1]]) &&
    as.character(code[[1]]) %in% calls) code[[2]] else code
  if (!is.name(inner)) unkept(text_of(code), "add it to the data as a column")
  name <- as.character(inner)
  if (grepl("[][():^*]", name)) unkept(name, "rename the column, without any of ( ) [ ] : ^ *")
  name
}

# A number: a column, a function of one, or a power of one.
number_of <- function(code) {
  if (is.call(code) && length(code) == 2 && as.character(code[[1]])[1] %in% FUNCTIONS) {
    return(paste0(code[[1]], "(", column_of(code[[2]]), ")"))
  }
  inner <- if (is.call(code) && identical(code[[1]], as.name("I"))) code[[2]]
  power <- if (is.call(inner) && identical(inner[[1]], as.name("^"))) inner[[3]]
  if (is.numeric(power) && power == trunc(power) && power > 0) {
    if (!is.name(inner[[2]])) unkept(text_of(code), "add it to the data as a column")
    return(paste0(column_of(inner[[2]]), "^", power))
  }
  column_of(code)
}

text_of <- function(code) paste(deparse(code, width.cutoff = 500), collapse = " ")

levels_of <- function(pieces) {
  found <- Filter(function(one) !is.null(one$levels), pieces)
  if (!length(found)) return(structure(list(), names = character()))
  structure(lapply(found, function(one) I(as.character(one$levels))),
    names = vapply(found, function(one) one$text, ""))
}

# The weights of one term of the formula, by the levels of its factors.
#
# R's columns for a factor are contrasts, of any kind: its own design matrix of all combinations of
# the levels, with 1 for the numbers, gives what each combination adds.
weights_of <- function(label, fit, terms, pieces, values, columns) {
  factors <- attr(terms, "factors")
  used <- pieces[rownames(factors)[factors[, label] > 0]]
  numbers <- vapply(Filter(function(one) is.null(one$levels), used), function(one) one$text, "")
  grouped <- Filter(function(one) !is.null(one$levels), used)
  if (!length(grouped)) return(structure(values[columns == label], names = paste(numbers, collapse = ":")))
  if (prod(lengths(lapply(grouped, `[[`, "levels"))) > MOST_TERMS) {
    unkept(attr(terms, "term.labels")[label], "it has too many combinations of levels: leave it out")
  }
  cells <- expand.grid(lapply(grouped, `[[`, "levels"), stringsAsFactors = FALSE, KEEP.OUT.ATTRS = FALSE)
  columns <- which(columns == label)
  found <- drop(design_of(fit, terms, pieces, cells)[, columns, drop = FALSE] %*% values[columns])
  texts <- vapply(grouped, function(one) one$text, "")
  spelt <- do.call(paste, c(lapply(seq_along(cells), function(i) paste0(texts[i], "[", cells[[i]], "]")), sep = ":"))
  names(found) <- vapply(spelt, function(one) paste(c(one, numbers), collapse = ":"), "")
  kept <- found != 0
  if (any(kept)) found[kept] else found[1]
}

design_of <- function(fit, terms, pieces, cells) {
  frame <- lapply(names(pieces), function(variable) {
    known <- pieces[[variable]]$levels
    if (is.null(known)) return(rep(1, nrow(cells)))
    value <- if (variable %in% names(cells)) cells[[variable]] else rep(known[1], nrow(cells))
    if (!variable %in% names(fit$xlevels)) return(value == "true")
    factor(value, levels = known, ordered = identical(attr(terms, "dataClasses")[[variable]], "ordered"))
  })
  frame <- structure(frame, names = names(pieces), class = "data.frame",
    row.names = .set_row_names(nrow(cells)), terms = terms)
  stats::model.matrix(terms, frame, contrasts.arg = fit$contrasts)
}

offsets_of <- function(terms) {
  places <- attr(terms, "offset")
  codes <- as.list(attr(terms, "variables"))[-1][places]
  texts <- vapply(codes, function(code) number_of(code[[2]]), "")
  structure(rep(1, length(texts)), names = texts)
}
