# Code of the user: parsed once, run as the prompt runs it, its errors told in terms of its lines.

FRAMES_SHOWN <- 8L
LINE_CHARACTERS <- 100L
MESSAGE_CHARACTERS <- 16000L
WARNINGS_LISTED <- 10L

# The top-level statements of `text`, ready to run; `label` names the text in error messages.
#
# Evaluated by the primitive inside the global environment, a statement sees what it would at the
# prompt: parent.frame() is the global environment, not a function of ours.
parse_program <- function(text, label) {
  lines <- strsplit(enc2utf8(text), "\r\n|\n|\r")[[1L]]
  file <- srcfilecopy(label, lines)
  file$user_code <- TRUE
  parsed <- parse(text = lines, keep.source = TRUE, srcfile = file, encoding = "UTF-8")
  primitive <- get(".Internal", envir = baseenv())
  lapply(seq_along(parsed), function(i) {
    statement <- as.call(list(primitive, call("eval", parsed[i], globalenv(), baseenv())))
    structure(statement, srcref = attr(parsed, "srcref")[[i]])
  })
}

# Runs the statements until one fails; returns the failure's text, NULL when there was none.
#
# Prints visible values, warnings and the error as the prompt does. Other ways to the prompt (the
# restart "abort", stop() with a condition that is no error) end here as well, because the restart
# is ours and options(error=) is set. `between` is called before the statements, and after each with
# its value; `show` makes what is printed of the failure.
run_program <- function(program, between = function(value) NULL, show = identity) {
  calls <- NULL
  pending <- new_warnings()
  failure <- "the code jumped to the top level"
  until_abort(failure <- tryCatch(
    withCallingHandlers(
      allowInterrupts({
        between()
        for (statement in program) {
          value <- run_statement(statement, pending)
          between(value)
        }
      }),
      warning = function(w) keep_warning(w, pending),
      error = function(e) calls <<- sys.calls()
    ),
    # Out of stack, R skips the handler that notes the calls; the statement is known even then.
    error = function(e) error_text(e, if (is.null(calls)) list(statement) else calls),
    interrupt = function(e) structure("interrupted", cancelled = TRUE)
  ))
  if (!is.null(failure)) {
    cat(show(failure), "\n", sep = "", file = stderr())
    print_warnings(pending, "In addition: ")
  }
  failure
}

ABORT <- withRestarts(computeRestarts()[[1L]], abort = function() NULL)
ABORT["exit"] <- list(NULL)  # the frame it led to is gone

# Evaluates the expression; the restart "abort" ends it. withRestarts() takes several times as long.
until_abort <- function(expression) {
  restart <- ABORT
  restart$exit <- environment()
  .Internal(.addRestart(restart))
  expression
}

run_statement <- function(statement, pending) {
  result <- withVisible(eval(statement, globalenv()))
  if (result$visible) print_value(result$value)
  print_warnings(pending)
  result$value
}

# A method for print() that the code made for a basic type is, as at the prompt, not asked.
print_value <- function(value) {
  if (isS4(value)) {
    methods::show(value)
  } else if (is.object(value) || is.function(value)) {
    print(value)
  } else {
    print.default(value)
  }
}

new_warnings <- function() list2env(list(count = 0L, calls = list()), parent = emptyenv())

# Holds a warning back until its statement is done; R itself does what other options(warn=) ask.
keep_warning <- function(warning, pending) {
  if (!identical(as.integer(getOption("warn")), 0L)) return()
  pending$count <- pending$count + 1L
  if (pending$count <= getOption("nwarnings")) {
    call <- conditionCall(warning)
    kept <- structure(list(if (!is_statement(call)) call), names = conditionMessage(warning))
    pending$calls <- c(pending$calls, kept)
  }
  invokeRestart("muffleWarning")
}

# Prints the warnings held back, and leaves them where warnings() looks for them.
print_warnings <- function(pending, intro = "") {
  if (!pending$count) return(invisible())
  assign("last.warning", pending$calls, envir = baseenv())
  texts <- mapply(headline, "In ", pending$calls, names(pending$calls))
  if (pending$count > WARNINGS_LISTED) {
    texts <- sprintf("There were %d warnings (use warnings() to see them)", pending$count)
  } else if (pending$count > 1L) {
    texts <- c("Warning messages:", paste0(seq_along(texts), ": ", texts))
  } else {
    texts <- c("Warning message:", texts)
  }
  cat(intro, paste0(texts, "\n"), sep = "", file = stderr())
  pending$count <- 0L
  pending$calls <- list()
}

# "Error in f(x) : message", then the lines of the user's code that led there, outermost first. The
# attribute `headline` is the first part alone.
error_text <- function(error, calls) {
  call <- conditionCall(error)
  if (is_statement(call)) call <- NULL
  head <- headline("Error in ", call, conditionMessage(error))
  if (is.null(call)) head <- paste("Error:", head)
  text <- c(paste(c(head, code_lines(calls)), collapse = "\n"), head)
  text <- substr(text, 1L, MESSAGE_CHARACTERS)
  structure(text[1L], headline = text[2L])
}

# "In f(x) : message" as R breaks it into lines, or the message alone when there is no call.
headline <- function(intro, call, message) {
  if (is.null(call)) return(message)
  shown <- deparse(call, nlines = 1L)[1L]
  first_line <- strsplit(message, "\n", fixed = TRUE)[[1L]][1L]
  wide <- nchar(paste0(intro, shown, first_line), "width") > 70L
  paste0(intro, shown, " : ", if (isTRUE(wide)) "\n  ", message)
}

# Whether the call is one of ours around a statement: at the prompt there would be none.
is_statement <- function(call) {
  identical(call, quote(eval(statement, globalenv()))) ||
    (is.call(call) && identical(call[[1L]], quote(eval)) && is.expression(call[[2L]]))
}

code_lines <- function(calls) {
  shown <- unlist(lapply(calls, code_line))
  shown <- shown[c(TRUE, shown[-1L] != shown[-length(shown)])]
  hidden <- length(shown) - 2L * FRAMES_SHOWN
  if (hidden <= 0L) return(shown)
  c(
    shown[seq_len(FRAMES_SHOWN)],
    sprintf("  (%d more)", hidden),
    shown[length(shown) - FRAMES_SHOWN + seq_len(FRAMES_SHOWN)]
  )
}

# "  <code>, line 3: y <- f(x)" for a call written in the user's code, else NULL.
code_line <- function(call) {
  place <- attr(call, "srcref")
  file <- attr(place, "srcfile")
  if (!is.environment(file) || !isTRUE(file$user_code)) return(NULL)
  line <- trimws(substr(file$lines[place[1L]], 1L, LINE_CHARACTERS))
  sprintf("  %s, line %d: %s", file$filename, place[1L], line)
}
