# Functions that mean something else in a shell of a compute node (wire-api section 15).

PLOT_PIXELS <- 400L

mask_functions <- function(socket) {
  refuse <- function(name) {
    eval(bquote(function(...) {
      stop(.(paste0(name, "() cannot be used in code that runs on a server")), call. = FALSE)
    }), baseenv())
  }
  for (name in c("q", "quit", "browser")) replace_function("base", name, refuse(name))
  replace_function("utils", "help", refuse("help"))
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

replace_function <- function(package, name, value) {
  for (place in list(asNamespace(package), as.environment(paste0("package:", package)))) {
    unlockBinding(name, place)
    assign(name, value, envir = place)
    lockBinding(name, place)
  }
}

# Plots drawn without a device go to Rplot001.png and on in the working directory.
plot_device <- function() {
  if (!capabilities("cairo")) return(function(...) grDevices::pdf("Rplots.pdf"))
  eval(bquote(function(...) {
    grDevices::png("Rplot%03d.png", .(PLOT_PIXELS), .(PLOT_PIXELS), type = "cairo")
  }), baseenv())
}
