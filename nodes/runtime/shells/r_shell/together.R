# Several calls in one request: the node has put the rows of those that go together below each
# other, for each run of the code.

NOT_BY_ROWS <- "an output has not one row for each row of the inputs"

# Runs the code on each piece of the body; the reply has for each run the sizes of what its calls
# got, or in a word why they got nothing.
score_together <- function(shell, header, body) {
  ends <- cumsum(unlist(header$sizes))
  starts <- ends - unlist(header$sizes) + 1
  sizes <- failures <- outputs <- character()
  retire <- ""
  for (i in seq_along(ends)) {
    if (retire != "") break
    rows <- unlist(header$rows[[i]])
    done <- run_safely(shell, body[starts[i]:ends[i]], FALSE, function(declared) {
      read_outputs_by_rows(declared, rows)
    })
    retire <- done$retire
    failures[i] <- together_failure(done)
    got <- if (failures[i] == "") done$outputs
    sizes[i] <- if (length(got)) json_array(nchar(got, "bytes")) else "[]"
    outputs <- c(outputs, got)
  }
  header <- paste0(
    "{\"kind\":\"together\",\"sizes\":", json_join(sizes), ",\"failures\":", json_array(failures),
    ",\"retire\":", json_strings(retire), "}"
  )
  list(header = header, body = charToRaw(paste(outputs, collapse = "")))
}

together_failure <- function(done) {
  if (is.null(done$failure)) return(if (length(done$changed)) "files" else "")
  if (done$failure == NOT_BY_ROWS) "rows" else "error"
}

# The JSON object of outputs of each call, as `read_outputs` makes it of its rows alone.
read_outputs_by_rows <- function(declared, rows) {
  members <- lapply(declared, function(output) {
    value <- get0(output$name, globalenv(), inherits = FALSE)
    paste0(output$key, json_by_rows(value, output$type, rows))
  })
  paste0("{", do.call(paste, c(members, sep = ",")), "}")
}

json_by_rows <- function(value, type, rows) {
  if (is.null(value)) return(rep("null", length(rows)))
  value <- plain(value)
  switch(type,
    vector = json_vector_by_rows(value, rows),
    matrix = json_matrix_by_rows(value, rows),
    data.frame = json_frame_by_rows(as_frame(value), rows),
    stop(NOT_BY_ROWS, call. = FALSE)
  )
}

json_vector_by_rows <- function(x, rows) {
  require_rows(is_flat(x) && has_cells(x) && length(unclass(x)) == sum(rows))
  json_arrays(json_cells(drop_dim(x)), rows)
}

json_matrix_by_rows <- function(x, rows) {
  require_rows(is.matrix(x) && has_cells(x) && nrow(x) == sum(rows) && ncol(x) > 0L)
  cells <- matrix(json_cells(x), nrow(x))
  columns <- lapply(seq_len(ncol(x)), function(j) cells[, j])
  json_arrays(paste0("[", do.call(paste, c(columns, sep = ",")), "]"), rows)
}

json_frame_by_rows <- function(x, rows) {
  require_rows(is.data.frame(x) && nrow(x) == sum(rows) && length(x) > 0L)
  # Rows that were sorted would go to other callers; the numbers they were given tell of it.
  numbers <- attr(x, "row.names")
  require_rows(!is.integer(numbers) || identical(numbers, seq_len(nrow(x))))
  columns <- lapply(frame_columns(x), function(column) {
    require_rows(is.null(dim(column)) && has_cells(column))
    json_arrays(json_cells(column), rows)
  })
  pairs <- mapply(paste0, json_keys(columns), ":", columns, SIMPLIFY = FALSE, USE.NAMES = FALSE)
  paste0("{", do.call(paste, c(pairs, sep = ",")), "}")
}

# Whether each cell has its own JSON, whatever others are beside it.
has_cells <- function(x) {
  is.atomic(x) && (!is.object(x) || is.factor(x) || inherits(x, c("Date", "POSIXct")))
}

require_rows <- function(holds) if (!holds) stop(NOT_BY_ROWS, call. = FALSE)

# The cells of each call as a JSON array.
json_arrays <- function(cells, rows) {
  if (any(rows != 1L)) {
    calls <- split.default(cells, rep(seq_along(rows), rows))
    cells <- vapply(calls, paste, "", collapse = ",", USE.NAMES = FALSE)
  }
  paste0("[", cells, "]")
}
