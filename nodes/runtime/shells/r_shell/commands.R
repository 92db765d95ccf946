# Commands that an interrupt ends together with the code that waits for them.
#
# While R waits for a command it is deaf to interrupts: the command alone would end, and the code
# go on. So a shell around the command, which hears them too, leaves a mark for R.

make_commands_interruptible <- function() {
  for (name in c("system", "system2")) {
    command <- get(name, baseenv())
    body(command) <- reroute(body(command))
    replace_function("base", name, command)
  }
}

# The expression with `run_command` in place of R's internal function.
reroute <- function(expression) {
  if (identical(expression[[1L]], quote(.Internal))) {
    expression <- expression[[2L]]
    expression[[1L]] <- run_command
    return(expression)
  }
  for (i in seq_along(expression)) {
    if (is.call(expression[[i]])) expression[[i]] <- reroute(expression[[i]])
  }
  expression
}

# The mark is there from the beginning, because the shell may end before it can make one.
run_command <- function(command, intern, ...) {
  Sys.sleep(0)  # an interrupt that came before the command could end it
  if (intern) return(.Internal(system(command, intern, ...)))  # R hears while it reads
  mark <- tempfile("interrupt", tempdir(check = TRUE))
  file.create(mark)
  guarded <- paste0(
    "trap i=1 INT\nrm ", shQuote(mark), "\n[ \"$i\" ] || sh -c ", shQuote(command),
    "\ns=$?\n[ -z \"$i\" ] || > ", shQuote(mark), "\nexit $s"
  )
  status <- .Internal(system(guarded, intern, ...))
  if (file.exists(mark)) {
    unlink(mark)
    tools::pskill(Sys.getpid(), tools::SIGINT)
    Sys.sleep(0)
  }
  invisible(status)
}
