# From what a call brings to R values (wire-api section 12).

# The inputs of a service as a named list. The node has checked them and sends them serialized.
# Where the cells of a vector, matrix or column differ in type (`mixed`), they come as a list.
read_inputs <- function(bytes, mixed) {
  inputs <- unserialize(bytes)
  if (mixed) lapply(inputs, combine_cells) else inputs
}

# Cells in a list as what has their common type, other values as they are.
combine_cells <- function(value) {
  if (!is.list(value)) return(value)
  combined <- if (is.data.frame(value)) lapply(value, combine_cells) else unlist(value)
  attributes(combined) <- attributes(value)
  combined
}

# A value of a session, whose type nobody has declared: an array of equally long flat arrays is a
# matrix, an object of such a data.frame.
infer_input <- function(value) {
  if (is.null(value)) return(NA)
  if (!is.list(value)) return(value)
  nested <- vapply(value, is.list, NA)
  flat <- vapply(value, is_flat_array, NA)
  regular <- length(value) > 0L && all(flat) && length(unique(lengths(value))) == 1L
  if (!is.null(names(value))) {
    if (regular) read_frame(value) else lapply(value, infer_input)
  } else if (regular) {
    read_matrix(value)
  } else {
    if (any(nested)) lapply(value, infer_input) else read_vector(value)
  }
}

is_flat_array <- function(value) {
  is.list(value) && is.null(names(value)) && !any(vapply(value, is.list, NA))
}

# A flat JSON array as an atomic vector of the common type, null as NA.
read_vector <- function(values) {
  if (!length(values)) return(logical(0L))
  values[lengths(values) == 0L] <- NA
  unlist(values, recursive = FALSE, use.names = FALSE)
}

read_matrix <- function(rows) {
  cells <- read_vector(unlist(rows, recursive = FALSE, use.names = FALSE))
  matrix(cells, length(rows), lengths(rows)[[1L]], byrow = TRUE)
}

read_frame <- function(columns) {
  columns <- lapply(columns, read_vector)
  attr(columns, "row.names") <- .set_row_names(lengths(columns)[[1L]])
  class(columns) <- "data.frame"
  columns
}

# Whether the JSON holds the escape of U+0000, where the parser would cut the string off.
has_nul <- function(text) {
  grepl("\\u0000", text, fixed = TRUE) &&
    grepl("(?<!\\\\)(\\\\\\\\)*\\\\u0000", text, perl = TRUE, useBytes = TRUE)
}
