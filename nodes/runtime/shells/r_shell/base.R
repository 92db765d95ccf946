# The state every run starts from, kept after the bundle was loaded, and the way back to it.
#
# R copies on modification, so to keep the bindings of the global environment is to keep their
# values. Environments are the exception (R5 and R6 objects, data.table's := on a loaded table, the
# variables of closures): what a run changes inside one that was loaded stays changed.
# Packages that a run attaches stay attached, which saves the next run from attaching them again.
# What a run does inside packages (trace(), assignInNamespace()) stays, and a finalizer it registers
# runs when R collects its object, maybe in a later run.

keep_base <- function(directory) {
  names <- ls(globalenv(), all.names = TRUE)
  active <- Filter(function(name) bindingIsActive(name, globalenv()), names)
  list(
    globals = mget(setdiff(names, active), globalenv()),
    active = sapply(active, activeBindingFunction, globalenv()),
    random_kinds = RNGkind(),
    options = as.list(.Options),
    variables = environment_variables(),
    locale = Sys.getlocale(),
    umask = Sys.umask(NA),
    libraries = .libPaths(),
    search = search(),
    connections = all_connections(),
    directory = directory,
    scratch = scratch_files(directory$directory)
  )
}

# Ends what the code left on or open, so that its output is complete: time limits, the profiler,
# sinks, devices, connections; and sets the options back, which would shape how we go on.
settle <- function(base) {
  setTimeLimit()
  setSessionTimeLimit()
  utils::Rprof(NULL)
  while (sink.number()) sink()
  if (sink.number("message") != 2L) sink(type = "message")
  if (!is.null(grDevices::dev.list())) grDevices::graphics.off()
  for (number in setdiff(all_connections(), base$connections)) close(getConnection(number))
  restore_options(base$options)
}

# Takes the shell back to `base`; returns why it cannot be used again, "" when it can.
restore <- function(base) {
  tryCatch({
    restore_globals(base)
    restore_search(base$search)
    restore_variables(base$variables)
    Sys.umask(base$umask)
    set_libraries(base$libraries)
    restore_directory(base$directory)
    scratch <- setdiff(scratch_files(base$directory$directory), base$scratch)
    unlink(scratch, recursive = TRUE, expand = FALSE)
    tempdir(check = TRUE)
    assign("last.warning", NULL, baseenv())
    if (Sys.getlocale() == base$locale) "" else "the code changed the locale"
  }, error = conditionMessage)
}

restore_globals <- function(base) {
  if (!identical(RNGkind(), base$random_kinds)) {
    suppressWarnings(do.call(RNGkind, as.list(base$random_kinds)))
  }
  rm(list = ls(globalenv(), all.names = TRUE, sorted = FALSE), envir = globalenv())
  list2env(base$globals, globalenv())
  for (name in names(base$active)) makeActiveBinding(name, base$active[[name]], globalenv())
}

restore_options <- function(base) {
  now <- as.list(.Options)
  if (identical(now, base)) return(invisible())
  added <- setdiff(names(now), names(base))
  changed <- Filter(function(name) !identical(now[[name]], base[[name]]), names(base))
  options(c(base[changed], structure(vector("list", length(added)), names = added)))
}

restore_search <- function(base) {
  if (identical(search(), base)) return(invisible())
  for (name in setdiff(search(), base)) {
    if (!startsWith(name, "package:")) detach(name, character.only = TRUE)
  }
  if (!all(base %in% search())) stop("the code detached what was attached before")
}

environment_variables <- function() .Internal(Sys.getenv(character(), ""))

restore_variables <- function(base) {
  now <- environment_variables()
  if (identical(now, base)) return(invisible())
  name <- function(text) sub("=.*", "", text)
  Sys.unsetenv(setdiff(name(now), name(base)))
  changed <- setdiff(base, now)
  values <- structure(as.list(sub("^[^=]*=", "", changed)), names = name(changed))
  if (length(values)) do.call(Sys.setenv, values)
}

# Connection numbers, the shell's own socket among them; `getAllConnections` hides that.
all_connections <- function() .Internal(getAllConnections())

# What lies in R's own temporary directory, and in the shell's TMPDIR and HOME beside the working
# directory; places elsewhere are not ours to clean.
scratch_files <- function(directory) {
  places <- Sys.getenv(c("TMPDIR", "HOME"))
  list_folders(unique(c(tempdir(), places[dirname(places) == dirname(directory)])))
}
