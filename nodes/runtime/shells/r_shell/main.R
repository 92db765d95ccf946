# The loop that answers the node's requests, and the operations but for load and score.

main <- function() {
  loadNamespace("jsonlite")  # a node without it is told so before it counts on this shell
  socket <- connect()
  leave <- quit
  mask_functions(socket)
  remember_deparse_options()
  create_last_warning()
  options(
    device = plot_device(), error = quote(invisible()), pager = print_files, repos = REPOSITORY
  )
  warm_up()
  # After load: the bundle's manifest, program and base. In a session: its directory and plots.
  shell <- new.env(parent = emptyenv())
  suspendInterrupts({
    send(socket, json_value(list(event = "ready", version = getRversion())))
    while (!is.null(request <- receive(socket))) {
      reply <- answer(shell, request$header, request$body)
      .Internal(flush(stdout()))
      .Internal(flush(stderr()))
      drop_interrupt()
      send(socket, reply$header, reply$body)
    }
  })
  leave("no", 0L, FALSE)
}

# An interrupt that came too late for the code it was meant for must not stop what is next.
drop_interrupt <- function() {
  tryCatch(allowInterrupts(Sys.sleep(0)), interrupt = function(e) NULL)
}

# The reply to one request; errors are replies too.
answer <- function(shell, header, body) {
  tryCatch(
    switch(header$op,
      ping = reply(),
      load = load_bundle(shell, header$bundle),
      score = score(shell, body, isTRUE(header$mixed)),
      score_as_columns = score_as_columns(shell, body, isTRUE(header$mixed)),
      score_together = score_together(shell, header, body),
      answer_session(open_session(shell), header, body)
    ),
    error = function(e) refusal(conditionMessage(e))
  )
}

# The reply to a request that only sessions get.
answer_session <- function(shell, header, body) {
  switch(header$op,
    execute = execute(shell, body, header$maxBytes),
    list_objects = reply(objects = list_objects()),
    put_object = {
      put_object(header$name, header$path)
      reply()
    },
    get_object = if_object(header$name, get_object(header$name, header$path)),
    delete_object = if_object(header$name, rm(list = header$name, envir = globalenv())),
    save_workspace = reply(objects = save_workspace(header$path)),
    load_workspace = {
      load_session_workspace(shell, header$path)
      reply()
    },
    stop("the R shell has no operation '", header$op, "'")
  )
}

reply <- function(...) list(header = json_value(list(ok = TRUE, ...)))

refusal <- function(message, ...) {
  list(header = json_value(list(ok = FALSE, message = message, ...)))
}

if_object <- function(name, action) {
  if (!exists(name, globalenv(), inherits = FALSE)) {
    return(refusal(sprintf("there is no object '%s'", name), code = "object-unknown"))
  }
  action
  reply()
}
