# From the JSON of a call to R values (wire-api section 12).
#
# The node has checked and normalised the JSON: exactly the declared inputs, frames as columns,
# matrices as rows. What is refused here has no place in R.

# The declared inputs as a named list of R values; an `invalid_input` condition when one cannot be.
read_inputs <- function(text, definitions) {
  if (has_nul(text)) {
    invalid_input("R strings cannot hold the character U+0000: send the text without it")
  }
  values <- jsonlite::parse_json(if (nzchar(text)) text else "{}")
  inputs <- lapply(definitions, function(input) {
    if (!input$name %in% names(values)) {
      invalid_input(sprintf("the input '%s' is missing", input$name), input$name)
    }
    read_input(values[[input$name]], input$type, input$name)
  })
  names(inputs) <- vapply(definitions, `[[`, "", "name")
  inputs
}

read_input <- function(value, type, name) {
  switch(type,
    integer = read_scalar(value, name, is.numeric, as_integer, NA_integer_),
    numeric = read_scalar(value, name, is.numeric, as.double, NA_real_),
    logical = read_scalar(value, name, is.logical, identity, NA),
    character = read_scalar(value, name, is.character, identity, NA_character_),
    vector = read_vector(value),
    matrix = read_matrix(value, name),
    data.frame = read_frame(value, name)
  )
}

# A value without a declared type: an array of equally long flat arrays is a matrix, an object of
# such a data.frame.
infer_input <- function(value) {
  if (is.null(value)) return(NA)
  if (!is.list(value)) return(value)
  nested <- vapply(value, is.list, NA)
  flat <- vapply(value, is_flat_array, NA)
  regular <- length(value) > 0L && all(flat) && length(unique(lengths(value))) == 1L
  if (!is.null(names(value))) {
    if (regular) read_frame(value, "") else lapply(value, infer_input)
  } else if (regular) {
    read_matrix(value, "")
  } else {
    if (any(nested)) lapply(value, infer_input) else read_vector(value)
  }
}

is_flat_array <- function(value) {
  is.list(value) && is.null(names(value)) && !any(vapply(value, is.list, NA))
}

read_scalar <- function(value, name, fits, convert, missing) {
  if (is.null(value)) return(missing)
  if (!fits(value)) invalid_input(sprintf("the input '%s' has the wrong kind of value", name), name)
  convert(value)
}

# 3.0 is the integer 3; what is too large for R's integers stays a double.
as_integer <- function(value) if (abs(value) <= .Machine$integer.max) as.integer(value) else value

# A JSON array as an atomic vector of the common type, null as NA; an array of arrays stays a list.
read_vector <- function(values) {
  if (!is.list(values)) return(values)
  if (!length(values)) return(logical(0L))
  flat <- unlist(values, recursive = FALSE, use.names = FALSE)
  if (is.list(flat)) return(lapply(values, read_vector))
  if (length(flat) == length(values)) return(flat)
  values[lengths(values) == 0L] <- NA
  unlist(values, recursive = FALSE, use.names = FALSE)
}

read_matrix <- function(rows, name) {
  if (is.null(rows)) return(NULL)
  if (!is.list(rows)) rows <- list(list(rows))
  if (length(rows) && !is.list(rows[[1L]])) rows <- list(rows)
  width <- unique(lengths(rows))
  if (length(width) > 1L) {
    invalid_input(sprintf("the rows of the matrix '%s' differ in length", name), name)
  }
  cells <- read_vector(unlist(rows, recursive = FALSE, use.names = FALSE))
  if (!length(cells)) cells <- logical(0L)
  matrix(cells, length(rows), if (length(width)) width else 0L, byrow = TRUE)
}

# A data.frame made by its attributes: data.frame() itself takes longer than many a prediction.
read_frame <- function(columns, name) {
  if (is.null(columns)) return(NULL)
  columns <- lapply(columns, read_vector)
  height <- unique(lengths(columns))
  if (length(height) > 1L) {
    invalid_input(sprintf("the columns of the data.frame '%s' differ in length", name), name)
  }
  if (is.null(names(columns))) names(columns) <- character(length(columns))
  attr(columns, "row.names") <- .set_row_names(if (length(height)) height else 0L)
  class(columns) <- "data.frame"
  columns
}

# Whether the JSON holds the escape of U+0000, where the parser would cut the string off.
has_nul <- function(text) {
  grepl("\\u0000", text, fixed = TRUE) &&
    grepl("(?<!\\\\)(\\\\\\\\)*\\\\u0000", text, perl = TRUE, useBytes = TRUE)
}

invalid_input <- function(message, field = "") {
  stop(structure(
    class = c("invalid_input", "error", "condition"),
    list(message = message, call = NULL, field = field)
  ))
}
