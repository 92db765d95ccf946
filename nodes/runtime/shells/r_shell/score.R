# Load and score: a bundle taken in once, its code run for every call.

WORKSPACE <- ".RData"
SUCCESS <- "{\"kind\":\"result\",\"success\":true,\"errorMessage\":\"\",\"retire\":\"\"}"

# Takes in the bundle: files, objects, init code. What is there then is the base of every run.
load_bundle <- function(shell, bundle) {
  manifest <- file.path(bundle, "manifest.json")
  shell$manifest <- jsonlite::parse_json(utf8(readBin(manifest, "raw", file.size(manifest))))
  # Wrong syntax fails every run, but nothing ran: the shell can stay.
  shell$program <- tryCatch(parse_program(shell$manifest$code, "<code>"), error = conditionMessage)
  init <- parse_program(c(shell$manifest$initCode, "")[1L], "<initCode>")

  files <- file.path(bundle, "files")
  placed <- place_files(files, c(WORKSPACE, LIBRARY))
  use_library(file.path(files, LIBRARY))
  workspace <- file.path(files, WORKSPACE)
  if (file.exists(workspace)) load_workspace(workspace)
  failure <- run_program(init)
  if (!is.null(failure)) return(refusal(failure))

  store <- file.path(dirname(getwd()), "made-by-init")
  begin_runs(shell, keep_base(keep_directory(placed, files, store)))
  reply()
}

# Has the runs to come start at `base`.
begin_runs <- function(shell, base) {
  shell$base <- base
  shell$rest <- state_at_rest(base)
  shell$outputs <- lapply(shell$manifest$outputs, function(output) {
    list(name = output$name, type = output$type, key = paste0(json_strings(output$name), ":"))
  })
}

# One run of the loaded code: inputs bound, code run, outputs read, everything else undone.
score <- function(shell, body, mixed) result(run_safely(shell, body, mixed, read_outputs))

score_as_columns <- function(shell, body, mixed) {
  result_as_columns(run_safely(shell, body, mixed, read_output_as_columns))
}

# What came of a run: what failed and what stands against another run, if anything; names of changed
# files; what `read` makes of the declared outputs; the output files as JSON.
run_safely <- function(shell, body, mixed, read) {
  tryCatch(run(shell, read_inputs(body, mixed), read), error = function(e) {
    list(failure = conditionMessage(e), retire = "the state of the shell is unknown")
  })
}

run <- function(shell, inputs, read) {
  pid <- Sys.getpid()
  base <- shell$base
  .Internal(list2env(inputs, globalenv()))
  program <- shell$program
  failure <- if (is.character(program)) program else run_program(program)
  if (Sys.getpid() != pid) tools::pskill(Sys.getpid(), tools::SIGKILL)  # a fork that ran on

  settle(base)
  outputs <- files <- NULL
  if (is.null(failure)) {
    failure <- tryCatch({
      outputs <- read(shell$outputs)
      files <- output_files(shell$manifest$outputFiles)
      NULL
    }, error = conditionMessage)
  }
  rest <- shell$rest
  same_files <- identical(stamps(rest$paths), rest$stamps)
  changed <- if (!same_files) changed_files(base$directory)
  retire <- restore(base, rest, same_files)
  if (retire == "" && !(same_files && identical(search(), rest$process$search))) {
    shell$rest <- state_at_rest(base)
  }
  list(
    failure = failure, retire = retire, changed = changed, outputs = outputs, files = files
  )
}

read_outputs <- function(declared) {
  members <- vapply(declared, function(output) {
    value <- get0(output$name, globalenv(), inherits = FALSE)
    paste0(output$key, json_output(value, output$type, output$name))
  }, "")
  paste0("{", paste(members, collapse = ","), "}")
}

# The reply of one run.
result <- function(done) {
  header <- if (is.null(done$failure) && done$retire == "") SUCCESS else json_value(list(
    kind = "result", success = is.null(done$failure), errorMessage = c(done$failure, "")[1L],
    retire = done$retire
  ))
  changed <- if (length(done$changed)) json_array(done$changed) else "[]"
  succeeded <- is.null(done$failure)
  body <- paste0(
    "{\"changedFiles\":", changed,
    ",\"outputParameters\":", if (succeeded) done$outputs else "{}",
    ",\"outputFiles\":", if (succeeded) done$files else "{}", "}"
  )
  list(header = header, body = charToRaw(body))
}

# Scores a service of no use a few times: R compiles functions when they are called again, which
# takes a hundred calls' time and should not be in the second call of everybody.
warm_up <- function() {
  shell <- new.env()
  y <- list(name = "y", type = "vector")
  shell$manifest <- list(outputs = list(y), outputFiles = list())
  shell$program <- parse_program("y <- x$a", "<code>")
  begin_runs(shell, keep_base(keep_directory(read_directory(getwd()), getwd(), "")))
  inputs <- serialize(list(x = data.frame(a = 1.5)), NULL)
  for (i in 1:3) score(shell, inputs, mixed = FALSE)
}
