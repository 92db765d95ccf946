# Functions that mean something else in a shell of a compute node (wire-api section 15).

# What ends R or waits for a person: debugging, choices, browsers, editors.
REFUSED <- list(
  base = c("q", "quit", "browser", "file.choose"),
  utils = c(
    "help", "help.start", "help.request", "bug.report", "browseURL",
    "edit", "edit.default", "file.edit"
  )
)
REPOSITORY <- c(CRAN = "https://cloud.r-project.org")

mask_functions <- function(socket) {
  refuse <- function(name) {
    eval(bquote(function(...) {
      stop(.(paste0(name, "() cannot be used in code that runs on a server")), call. = FALSE)
    }), baseenv())
  }
  for (package in names(REFUSED)) {
    for (name in REFUSED[[package]]) replace_function(package, name, refuse(name))
  }
  # Hides the socket to the node, which closeAllConnections() would close with the others.
  replace_function("base", "getAllConnections", eval(bquote(function() {
    setdiff(.Internal(getAllConnections()), .(as.integer(socket)))
  }), baseenv()))
}

# Makes R create `last.warning`, where warnings() looks: only R itself can add to the base package.
create_last_warning <- function() {
  nowhere <- file(nullfile(), "w")
  sink(nowhere, type = "message")
  warning("none")
  .Internal(printDeferredWarnings())
  sink(type = "message")
  close(nowhere)
}

# Has deparse() not work out anew what its default options mean: a sixth of the time that predict()
# takes for a linear model.
remember_deparse_options <- function() {
  usual <- eval(formals(deparse)$control)
  read_options <- .deparseOpts
  body(read_options) <- bquote(
    if (identical(control, .(usual))) .(read_options(usual)) else .(body(read_options))
  )
  replace_function("base", ".deparseOpts", read_options)
}

replace_function <- function(package, name, value) {
  for (place in list(asNamespace(package), as.environment(paste0("package:", package)))) {
    if (!exists(name, place, inherits = FALSE)) next  # not exported
    unlockBinding(name, place)
    assign(name, value, envir = place)
    lockBinding(name, place)
  }
}

# Prints files instead of showing them page by page.
print_files <- function(files, header, title, delete.file) {
  for (i in seq_along(files)) {
    if (nzchar(header[i])) cat(header[i], "\n\n", sep = "")
    writeLines(readLines(files[i], warn = FALSE))
  }
  if (delete.file) unlink(files)
}
