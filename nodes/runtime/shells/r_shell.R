# The R shell: one R process of a compute node, answering its frames until the node hangs up.
#
# Started as `Rscript --vanilla r_shell.R` in the working directory of the shell. The first line of
# standard input is the port on 127.0.0.1 where the node listens for this shell, the second a
# one-time secret that proves who connects. What code prints goes to file descriptors 1 and 2.
#
# Everything of ours lives in one environment outside the search path, so the global environment
# belongs to the code of services and sessions alone; its parent is the base namespace, so what such
# code defines cannot come between us and the functions we call.
local({
  file <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1L])
  parts <- sub("[.]R$", "", gsub("~+~", " ", file, fixed = TRUE))  # R writes blanks as ~+~
  shell <- new.env(parent = .BaseNamespaceEnv)
  for (part in list.files(parts, pattern = "[.]R$", full.names = TRUE)) {
    sys.source(part, envir = shell, keep.source = FALSE)
  }
  lockEnvironment(shell)
  shell$main()
}, envir = new.env(parent = baseenv()))
