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
  shell$base <- keep_base(keep_directory(placed, files, store))
  reply()
}

# One run of the loaded code: inputs bound, code run, outputs read, everything else undone.
score <- function(shell, body) {
  inputs <- tryCatch(read_inputs(utf8(body), shell$manifest$inputs), error = identity)
  if (inherits(inputs, "error")) {
    return(list(header = json_value(list(
      kind = "invalid", message = conditionMessage(inputs), field = c(inputs$field, "")[1L]
    ))))
  }
  tryCatch(run(shell, inputs), error = function(e) {
    result(conditionMessage(e), retire = "the state of the shell is unknown")
  })
}

run <- function(shell, inputs) {
  pid <- Sys.getpid()
  list2env(inputs, globalenv())
  program <- shell$program
  failure <- if (is.character(program)) program else run_program(program)
  if (Sys.getpid() != pid) tools::pskill(Sys.getpid(), tools::SIGKILL)  # a fork that ran on

  suppressWarnings(settle(shell$base))
  outputs <- files <- "{}"
  if (is.null(failure)) {
    failure <- tryCatch({
      outputs <- read_outputs(shell$manifest$outputs)
      files <- output_files(shell$manifest$outputFiles)
      NULL
    }, error = conditionMessage)
  }
  changed <- changed_files(shell$base$directory)
  retire <- suppressWarnings(restore(shell$base))
  result(failure, retire, changed, outputs, files)
}

read_outputs <- function(definitions) {
  names <- vapply(definitions, `[[`, "", "name")
  values <- vapply(definitions, function(output) {
    json_output(get0(output$name, globalenv(), inherits = FALSE), output$type, output$name)
  }, "")
  json_object(structure(values, names = names))
}

# The reply of one run: what failed and what stands against another run, if anything; names of
# files; `outputs` and `files` as JSON.
result <- function(failure, retire, changed = NULL, outputs = "{}", files = "{}") {
  header <- if (is.null(failure) && retire == "") SUCCESS else json_value(list(
    kind = "result", success = is.null(failure), errorMessage = c(failure, "")[1L], retire = retire
  ))
  changed <- if (length(changed)) json_array(changed) else "[]"
  body <- paste0(
    "{\"changedFiles\":", changed, ",\"outputParameters\":", outputs,
    ",\"outputFiles\":", files, "}"
  )
  list(header = header, body = charToRaw(body))
}

# Scores a service of no use a few times: R compiles functions when they are called again, which
# takes a hundred calls' time and should not be in the second call of everybody.
warm_up <- function() {
  shell <- new.env()
  x <- list(name = "x", type = "data.frame")
  y <- list(name = "y", type = "vector")
  shell$manifest <- list(inputs = list(x), outputs = list(y), outputFiles = list())
  shell$program <- parse_program("y <- x$a", "<code>")
  shell$base <- keep_base(keep_directory(read_directory(getwd()), getwd(), ""))
  for (i in 1:3) score(shell, charToRaw("{\"x\":{\"a\":[1.5]}}"))
}
