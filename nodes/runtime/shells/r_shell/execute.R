# Sessions: code run as at the prompt of R, its state kept from one call to the next.

CANCELLED <- "The execution was cancelled."
CLOCK_SECONDS <- 0.01  # two writes of a file in that time may bear the same time

# The shell as that of a session, where code finds a library and a directory of its own; what it
# removed of them is there again.
open_session <- function(shell) {
  first <- is.null(shell$work)
  if (first) shell$work <- getwd()
  library <- file.path(shell$work, LIBRARY)
  dir.create(library, showWarnings = FALSE, recursive = TRUE)
  if (is.null(getwd())) setwd(shell$work)
  if (first) {
    use_library(library)
    use_plot_files(shell)
    make_commands_interruptible()
    unlockBinding(".Last.value", baseenv())
  }
  shell
}

# Runs the code of one request and reads its outputs, which may not be larger than `max_bytes`; an
# interrupt stops either.
execute <- function(shell, body, max_bytes) {
  pid <- Sys.getpid()
  before <- keep_session_files(shell$work)
  outputs <- list()
  failure <- tryCatch({
    request <- read_execution(utf8(body))
    run_program(request$program, function(value) end_statement(shell, value), prompt_text)
  }, error = function(e) {
    cat("Error: ", conditionMessage(e), "\n", sep = "", file = stderr())
    conditionMessage(e)
  })
  if (Sys.getpid() != pid) tools::pskill(Sys.getpid(), tools::SIGKILL)  # a fork that ran on

  # As the prompt does before it asks for the next line.
  setTimeLimit()
  setSessionTimeLimit()
  suppressWarnings(try(finish_plots(shell)))
  if (is.null(failure)) {
    outputs <- tryCatch(
      allowInterrupts(lapply(unique(request$outputs), session_output)),
      interrupt = function(e) structure(list(), failure = CANCELLED)
    )
    failed <- vapply(outputs, inherits, NA, "condition")
    failure <- c(attr(outputs, "failure"), vapply(outputs[failed], conditionMessage, ""))
    outputs <- outputs[!failed]
  } else if (isTRUE(attr(failure, "cancelled"))) {
    failure <- CANCELLED
  }
  changed <- sort(changed_files(before, c(LIBRARY, WORKSPACE)), method = "radix")
  outputs <- json_join(unlist(outputs))
  if (nchar(outputs, "bytes") > max_bytes) {
    failure <- sprintf(
      "The outputs are larger than the %.0f bytes that can be returned.", max_bytes
    )
    outputs <- "[]"
  }
  executed(failure, changed, outputs)
}

# The code of a request as a program, its inputs assigned; names of outputs. Assigns nothing when
# the code has a syntax error.
read_execution <- function(text) {
  if (has_nul(text)) stop("R strings cannot hold the character U+0000: send the text without it")
  request <- jsonlite::parse_json(text)
  program <- parse_program(request$code, "<code>")
  for (input in request$inputs) assign(input$name, infer_input(input$value), globalenv())
  list(program = program, outputs = request$outputs)
}

# After each statement, and without a value before the first: what is due, be it an interrupt.
end_statement <- function(shell, value) {
  if (!missing(value)) assign(".Last.value", value, baseenv())
  if (length(shell$plots)) collect_plots(shell)
  Sys.sleep(0)
}

# What the prompt prints of a failure: no more of other ways to the top level than a line's end.
prompt_text <- function(failure) c(attr(failure, "headline"), "")[1L]

# One output as the JSON of its reply, or the condition that says why there is none.
session_output <- function(name) {
  tryCatch({
    if (!exists(name, globalenv(), inherits = FALSE)) {
      stop(sprintf("The output %s does not exist.", name), call. = FALSE)
    }
    value <- json_for(json_value(get(name, globalenv(), inherits = FALSE)), name)
    paste0("{\"name\":", json_strings(name), ",\"value\":", value, "}")
  }, error = identity)
}

# The files before the code runs, at a time when any later write will show.
keep_session_files <- function(work) {
  base <- c(read_directory(work, c(LIBRARY, WORKSPACE)), list(directory = work))
  latest <- max(0, unclass(base$time))
  while ((now <- as.double(Sys.time())) >= latest && now < latest + CLOCK_SECONDS) NULL
  base
}

# The reply: what failed, if anything; names of files; `outputs` as JSON.
executed <- function(failure, changed, outputs) {
  header <- json_value(list(
    kind = "executed", success = !length(failure), errorMessage = paste(failure, collapse = " ")
  ))
  body <- paste0(
    "{\"changedFiles\":", if (length(changed)) json_array(changed) else "[]",
    ",\"outputParameters\":", outputs, "}"
  )
  list(header = header, body = charToRaw(body))
}
