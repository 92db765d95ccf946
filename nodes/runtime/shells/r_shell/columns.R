# A data.frame as columns packed into bytes, which the node makes CSV or Arrow of; the format is that
# of formats/columns.py.

# The one declared output, read when the code has run.
read_output_as_columns <- function(declared) {
  name <- declared[[1L]]$name
  value <- plain(get0(name, globalenv(), inherits = FALSE))
  frame <- as_frame(value)
  if (!is.data.frame(frame)) {
    found <- if (is.null(value)) "NULL" else class(value)[1L]
    stop(sprintf("Output %s is to be a data.frame, not %s.", name, found), call. = FALSE)
  }
  json_for(pack_columns(frame_columns(frame)), paste(name, "(data.frame)"))
}

pack_columns <- function(columns) {
  packed <- lapply(unname(columns), pack_column)
  kinds <- vapply(packed, `[[`, "", "kind")
  bytes <- lapply(packed, `[[`, "bytes")
  described <- sprintf("[%s,\"%s\",[%.0f]]", json_keys(columns), kinds, lengths(bytes))
  head <- charToRaw(paste0("{\"columns\":", json_join(described), "}"))
  c(number_to_bytes(length(head), 4L), head, unlist(bytes))
}

pack_column <- function(x) {
  x <- plain(x)
  kind <- if (is.object(x) || !is.null(dim(x))) "cells" else switch(typeof(x),
    double = "double", integer = "r-integer", logical = "r-logical", character = "text", "cells"
  )
  if (is.factor(x) || inherits(x, c("Date", "POSIXct"))) kind <- "text"
  bytes <- switch(kind,
    double = , "r-integer" = writeBin(as.vector(x), raw()),
    "r-logical" = as.raw(ifelse(is.na(x), 2L, x)),
    charToRaw(json_array(x))
  )
  list(kind = kind, bytes = bytes)
}

# The reply of one run whose output is columns; that of a failure is as ever.
result_as_columns <- function(done) {
  columns <- done$outputs
  done$outputs <- "{}"
  reply <- result(done)
  if (is.null(done$failure)) reply$body <- columns
  reply
}
