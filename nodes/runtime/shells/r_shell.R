# The R shell: one R process of a compute node, answering its frames until the node hangs up.
#
# Started as `Rscript --vanilla r_shell.R` in the working directory of the shell. The first line of
# standard input is the port on 127.0.0.1 where the node listens for this shell, the second a
# one-time secret that proves who connects. What code prints goes to file descriptors 1 and 2.
#
# Everything of ours lives in one environment outside the search path, so the global environment
# belongs to the code of services and sessions alone; its parent is the base namespace, so what such
# code defines cannot come between us and the functions we call.
#
# Compiling takes as long as starting R. So the first shell leaves what it compiled in the place
# where Python leaves the like, if it may, for the others to read.
local({
  file <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1L])
  parts <- sub("[.]R$", "", gsub("~+~", " ", file, fixed = TRUE))  # R writes blanks as ~+~
  sources <- list.files(parts, pattern = "[.]R$", full.names = TRUE)
  compiled <- file.path(
    dirname(parts), "__pycache__", paste0("r_shell-", getRversion(), ".rds")
  )
  version <- c(R.version.string, basename(sources), file.size(sources), file.mtime(sources))

  read_compiled <- function() {
    kept <- readRDS(compiled)
    if (identical(kept$version, version)) kept$shell
  }
  leave_compiled <- function(shell) {
    dir.create(dirname(compiled), showWarnings = FALSE)
    if (file.access(dirname(compiled), 2L) != 0L) return(shell)
    for (name in ls(shell)) {
      if (is.function(shell[[name]])) shell[[name]] <- compiler::cmpfun(shell[[name]])
    }
    draft <- tempfile("r_shell-", dirname(compiled))
    saveRDS(list(version = version, shell = shell), draft, compress = FALSE)
    file.rename(draft, compiled)
  }

  shell <- suppressWarnings(tryCatch(read_compiled(), error = function(e) NULL))
  if (is.null(shell)) {
    shell <- new.env(parent = .BaseNamespaceEnv)
    for (source in sources) sys.source(source, envir = shell, keep.source = FALSE)
    suppressWarnings(try(leave_compiled(shell), silent = TRUE))
  }
  lockEnvironment(shell)
  shell$main()
}, envir = new.env(parent = baseenv()))
