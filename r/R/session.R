# The child process `sfx session`, which does the work.
#
# Base R cannot talk to a child in both directions: pipe() has one, and a fifo() that is read blocks
# in the kernel, so that neither Ctrl-C nor a timeout nor the death of the other end is seen. A
# socket has all three: socketSelect() waits in short steps that an interrupt ends, and a child that
# dies closes its end. So the child listens on the loopback address, and leaves its port with a
# token in a directory below tempdir(), which other users cannot read.

the <- new.env(parent = emptyenv())
the$con <- NULL

WAIT_START <- 60
WAIT_STOP <- 3
MOST_WORDS <- 2000

request <- function(call, args = list(), frame = NULL, reads = FALSE, optional = FALSE) {
  connect()
  file <- NULL
  done <- FALSE
  # an interrupt or an error in the middle leaves a child that is busy: end it
  on.exit({
    if (!done) disconnect()
    if (!is.null(file)) unlink(file)
  })
  if (!is.null(frame) || reads) {
    the$frames <- the$frames + 1
    name <- sprintf("frame%d.rds", the$frames)
    file <- file.path(the$dir, name)
    args$file <- name
  }
  if (!length(args)) args <- structure(list(), names = character()) # an object, not an array
  reply <- withCallingHandlers(
    {
      if (!is.null(frame)) write_frame(frame, file)
      exchange(to_json(list(call = call, args = args)))
    },
    interrupt = function(c) announce_interrupt(call)
  )
  done <- TRUE
  if (!is.null(reply$error)) stop(as_condition(reply$error))
  if (reads) {
    frame <- if (!optional || file.exists(file)) readRDS(file)
    reply$result <- list(value = reply$result, frame = frame)
  }
  reply$result
}

write_frame <- function(frame, file) {
  written <- tryCatch(
    {
      con <- file(file, "wb")
      on.exit(close(con), add = TRUE)
      serialize(frame, con, ascii = FALSE, xdr = FALSE, version = 2)
      TRUE
    },
    error = function(e) conditionMessage(e)
  )
  if (!isTRUE(written)) {
    unlink(file)
    sfx_stop(
      "disk_full",
      paste0("the data frame could not be written: ", written),
      which = paste("file", file),
      remedy = "free space on the disk of tempdir(), or start R with TMPDIR set to a larger one"
    )
  }
}

announce_interrupt <- function(call) {
  signalCondition(structure(
    class = c("sfx_interrupted", "condition"),
    list(message = interrupted(call), call = NULL, what = interrupted(call),
         remedy = "see with sf_history() whether it was carried out", which = call)
  ))
  message("sfx: ", interrupted(call))
}

interrupted <- function(call) {
  sprintf("interrupted; `%s` may have been carried out all the same: sf_history() shows it", call)
}

exchange <- function(line) {
  sent <- tryCatch(
    {
      writeLines(line, the$con, useBytes = TRUE)
      TRUE
    },
    error = function(e) FALSE, warning = function(w) FALSE
  )
  got <- if (sent) receive() else character()
  if (!length(got)) child_died()
  jsonlite::fromJSON(got, simplifyVector = FALSE)
}

receive <- function() {
  while (!socketSelect(list(the$con), FALSE, 1)) NULL
  # a line that the child did not complete is no reply
  tryCatch(readLines(the$con, 1L, warn = TRUE),
    error = function(e) character(), warning = function(w) character())
}

child_died <- function() {
  said <- last_words()
  disconnect()
  sfx_stop(
    "session_died",
    "the sfx process ended in the middle of the call",
    which = if (nzchar(said)) said else "it left no message; was it killed, or out of memory?",
    remedy = "see with sf_history() whether it was carried out, then repeat it: the next call starts a new process"
  )
}

last_words <- function() {
  log <- file.path(the$dir, "log")
  lines <- if (file.exists(log)) readLines(log, warn = FALSE) else character()
  said <- paste(utils::tail(lines[nzchar(lines)], 3), collapse = "\n")
  substr(said, 1, MOST_WORDS)
}

# Settings that the child reads once, at its start.
settings <- function() {
  every <- Sys.getenv()
  every[grepl("^(SFX|AWS|AIRFLOW)_", names(every))]
}

is_alive <- function() {
  # readable without a question means that the other end has closed
  !is.null(the$con) && tryCatch(!socketSelect(list(the$con), FALSE, 0), error = function(e) FALSE)
}

connect <- function() {
  if (!is.null(the$con) && the$owner != Sys.getpid()) the$con <- NULL # of the parent of a fork
  if (is_alive() && identical(the$settings, settings())) return(invisible())
  disconnect()
  bin <- sfx_bin()
  the$dir <- tempfile("sfx-")
  dir.create(the$dir, mode = "0700")
  the$frames <- 0
  the$owner <- Sys.getpid()
  the$settings <- settings()
  started <- FALSE
  on.exit(if (!started) disconnect())
  # R's own LD_LIBRARY_PATH would make Python load libraries of another version.
  in_dir <- function(name) shQuote(file.path(the$dir, name))
  system(paste(
    "sh -c", shQuote(paste0(
      "unset LD_LIBRARY_PATH; ", shQuote(bin), " session ", shQuote(the$dir),
      " </dev/null >/dev/null 2>", in_dir("log"), "; : 2>/dev/null >", in_dir("ended")
    ))
  ), wait = FALSE, ignore.stderr = TRUE)
  address <- wait_for_address(bin)
  the$pid <- as.integer(address[[3]])
  the$con <- socketConnection("127.0.0.1", as.integer(address[[1]]),
    open = "r+b", blocking = TRUE, timeout = 86400)
  writeLines(address[[2]], the$con)
  hello <- receive()
  if (!length(hello)) child_died()
  the$hello <- jsonlite::fromJSON(hello, simplifyVector = FALSE)
  started <- TRUE
  invisible()
}

wait_for_address <- function(bin) {
  file <- file.path(the$dir, "address")
  end <- Sys.time() + WAIT_START
  while (Sys.time() < end) {
    if (file.exists(file)) return(strsplit(readLines(file), " ")[[1]])
    if (file.exists(file.path(the$dir, "ended"))) break
    Sys.sleep(0.01)
  }
  said <- last_words()
  sfx_stop(
    "not_started",
    paste0("`", bin, "` did not start"),
    which = if (nzchar(said)) said else "it left no message",
    remedy = paste0("run `", bin, " --version` in a shell; ", INSTALL)
  )
}

# End the child, and remove its directory.
disconnect <- function() {
  owner <- identical(the$owner, Sys.getpid())
  if (!is.null(the$con)) try(close(the$con), silent = TRUE)
  the$con <- NULL
  if (owner && !is.null(the$pid)) {
    tools::pskill(the$pid, tools::SIGTERM)
    end <- Sys.time() + WAIT_STOP
    while (!file.exists(file.path(the$dir, "ended")) && dir.exists(the$dir) && Sys.time() < end) {
      Sys.sleep(0.01)
    }
    if (!file.exists(file.path(the$dir, "ended")) && dir.exists(the$dir)) {
      tools::pskill(the$pid, tools::SIGKILL)
    }
  }
  if (owner && !is.null(the$dir)) unlink(the$dir, recursive = TRUE)
  the$pid <- NULL
  the$dir <- NULL
  invisible()
}

INSTALL <- "install it with `pip install airflow-sfx`"

sfx_bin <- function() {
  named <- Sys.getenv("SFX_BIN")
  bin <- if (nzchar(named)) named else unname(Sys.which("sfx"))
  if (!nzchar(bin) || file.access(bin, 1) != 0 || dir.exists(bin)) {
    sfx_stop(
      "not_installed",
      if (nzchar(named)) paste0("SFX_BIN is ", named, ", which is not a command")
      else "there is no command `sfx` on the path, and SFX_BIN is not set",
      which = "command sfx",
      remedy = paste0(INSTALL, ", or set SFX_BIN to its path")
    )
  }
  bin
}

.onUnload <- function(libpath) disconnect()

.onLoad <- function(libname, pkgname) {
  reg.finalizer(the, function(e) disconnect(), onexit = TRUE)
}
