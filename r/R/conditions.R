# Errors: what happened, to which table or column, and what to do.

sfx_condition <- function(class, what, which = "", remedy = "", facts = list()) {
  text <- c(what, which, if (nzchar(remedy)) paste("Remedy:", remedy))
  structure(
    class = unique(c(paste0("sfx_", class), "sfx_error", "error", "condition")),
    c(
      list(message = paste(text[nzchar(text)], collapse = "\n"), call = NULL),
      list(what = what, which = which, remedy = remedy),
      facts
    )
  )
}

sfx_stop <- function(class, what, which = "", remedy = "") {
  stop(sfx_condition(class, what, which, remedy))
}

as_condition <- function(error) {
  facts <- Filter(Negate(is.null), error[c("table", "partition", "batch")])
  sfx_condition(error[["class"]], error$what, error$which, error$remedy, facts)
}

wrong <- function(argument, rule) {
  sfx_stop("invalid_name", paste0("`", argument, "` ", rule), which = paste("argument", argument),
    remedy = "correct the argument")
}
