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
    output = output_state(),
    options = options_now(),
    process = process_state(),
    libraries = .libPaths(),
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
  if (!identical(output_state(), base$output)) close_output(base$output$connections)
  if (!identical(options_now(), base$options)) restore_options(base$options)
}

# Like its kin below through R's internal functions: it is asked after every run.
output_state <- function() list(
  sinks = .Internal(sink.number(TRUE)),
  message_sink = .Internal(sink.number(FALSE)),
  devices = length(.Devices),
  connections = all_connections()
)

close_output <- function(connections) suppressWarnings({
  while (sink.number()) sink()
  if (sink.number("message") != 2L) sink(type = "message")
  if (!is.null(grDevices::dev.list())) grDevices::graphics.off()
  for (number in setdiff(all_connections(), connections)) close(getConnection(number))
})

# Takes the shell back to `base`; returns why it cannot be used again, "" when it can. What is as
# at `rest` is left alone, files when they are known to be the `same_files`.
restore <- function(base, rest, same_files) {
  tryCatch({
    if (!identical(process_state(), rest$process)) restore_process(base$process)
    restore_globals(base)
    set_libraries(base$libraries)
    if (same_files) setwd(base$directory$directory) else restore_files(base)
    .Internal(assign("last.warning", NULL, baseenv(), FALSE))
    ""
  }, error = conditionMessage)
}

process_state <- function() list(
  random_kinds = .Internal(RNGkind(NULL, NULL, NULL)),  # looks at .Random.seed
  search = search(),
  variables = environment_variables(),
  umask = .Internal(Sys.umask(NA_integer_)),
  locale = .Internal(Sys.getlocale(1L))
)

restore_process <- function(base) suppressWarnings({
  kinds <- base$random_kinds
  .Internal(RNGkind(kinds[1L], kinds[2L], kinds[3L]))
  restore_search(base$search)
  restore_variables(base$variables)
  Sys.umask(base$umask)
  if (Sys.getlocale() != base$locale) stop("the code changed the locale")
})

restore_globals <- function(base) {
  .Internal(remove(.Internal(ls(globalenv(), TRUE, FALSE)), globalenv(), FALSE))
  .Internal(list2env(base$globals, globalenv()))
  for (name in names(base$active)) makeActiveBinding(name, base$active[[name]], globalenv())
}

options_now <- function() .Internal(as.vector(.Options, "list"))

restore_options <- function(base) {
  now <- options_now()
  added <- setdiff(names(now), names(base))
  changed <- Filter(function(name) !identical(now[[name]], base[[name]]), names(base))
  options(c(base[changed], structure(vector("list", length(added)), names = added)))
}

restore_search <- function(base) {
  for (name in setdiff(search(), base)) {
    if (!startsWith(name, "package:")) detach(name, character.only = TRUE)
  }
  if (!all(base %in% search())) stop("the code detached what was attached before")
}

environment_variables <- function() .Internal(Sys.getenv(character(), ""))

restore_variables <- function(base) {
  now <- environment_variables()
  name <- function(text) sub("=.*", "", text)
  Sys.unsetenv(setdiff(name(now), name(base)))
  changed <- setdiff(base, now)
  values <- structure(as.list(sub("^[^=]*=", "", changed)), names = name(changed))
  if (length(values)) do.call(Sys.setenv, values)
}

# Connection numbers, the shell's own socket among them; `getAllConnections` hides that.
all_connections <- function() .Internal(getAllConnections())

# Undoes all changes of files, in the working directory and beside it.
restore_files <- function(base) suppressWarnings({
  restore_directory(base$directory)
  scratch <- setdiff(scratch_files(base$directory$directory), base$scratch)
  unlink(scratch, recursive = TRUE, expand = FALSE)
  tempdir(check = TRUE)
})

# What lies in R's own temporary directory, and in the shell's TMPDIR and HOME beside the working
# directory; places elsewhere are not ours to clean.
scratch_files <- function(directory) list_folders(scratch_folders(directory))

scratch_folders <- function(directory) {
  places <- Sys.getenv(c("TMPDIR", "HOME"))
  unique(c(tempdir(), places[dirname(places) == dirname(directory)]))
}

# What tells at little cost whether a run has changed something: the state of the process, and time
# stamps of files and of folders, which change with every entry that comes or goes.
state_at_rest <- function(base) {
  kept <- base$directory
  folders <- c(
    kept$directory, kept$full[kept$kind == "folder"], scratch_folders(kept$directory)
  )
  backdate(folders)
  paths <- c(folders, kept$full[kept$kind == "file"])
  list(process = process_state(), paths = paths, stamps = stamps(paths))
}

# Sizes, kinds, modes, times of writing and of any change.
stamps <- function(paths) .subset(.Internal(file.info(paths, FALSE)), 1:5)
