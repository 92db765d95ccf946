# From R values to JSON (wire-api section 12). All functions return text, one string per value.

# The value of a declared output. The declared type shapes the value where it fits; otherwise the
# value becomes the JSON that is natural to it. Stops with the output's name and what it holds
# when JSON cannot express that.
json_output <- function(value, type, name) {
  if (type == "vector" && is.double(value) && !is.object(value) && is.null(dim(value))) {
    return(json_join(json_doubles(value)))  # by far the most, and never refused
  }
  json_for(json_shaped(plain(value), type), sprintf("%s (%s)", name, type))
}

# The JSON as it comes of its evaluation here; errors tell the output.
json_for <- function(json, output) {
  tryCatch(json, error = function(e) {
    stop(sprintf(
      "Output %s cannot be represented in JSON: %s.", output, conditionMessage(e)
    ), call. = FALSE)
  })
}

json_shaped <- function(x, type) {
  switch(type,
    vector = if (is_flat(x)) json_array(drop_dim(x)) else json_value(x),
    matrix = json_value(if (is.data.frame(x)) as.matrix.data.frame(x) else x),
    data.frame = json_value(as_frame(x)),
    json_value(as_scalar(only_cell(x), type))
  )
}

# The natural JSON of any value: one cell unboxed, more cells an array, a matrix its rows, a
# data.frame its columns, a list with names an object.
json_value <- function(x) {
  x <- plain(x)
  if (is.null(x)) return("null")
  if (is.data.frame(x)) return(json_object(vapply(frame_columns(x), json_array, "")))
  if (is.list(x) && is.null(dim(x))) {
    members <- vapply(unclass(x), json_value, "")
    return(if (is.null(names(x))) json_join(members) else json_object(members))
  }
  if (is_cell(x) && is.null(dim(x))) json_cells(x) else json_array(x)
}

# A JSON array, also of one cell; nested by the dimensions of the value, rows outermost.
json_array <- function(x) {
  x <- plain(x)
  if (is.data.frame(x)) return(json_value(x))
  cells <- json_cells(x)
  extents <- dim(x)
  while (length(extents) > 1L) {
    width <- extents[length(extents)]
    extents <- extents[-length(extents)]
    height <- prod(extents)
    columns <- lapply(seq_len(width), function(j) cells[seq_len(height) + (j - 1) * height])
    inner <- if (width) do.call(paste, c(columns, sep = ",")) else character(height)
    cells <- paste0("[", inner, "]", recycle0 = TRUE)
  }
  json_join(cells)
}

# Each cell of an atomic vector or list as JSON.
json_cells <- function(x) {
  if (is.factor(x)) return(json_strings(as.character.factor(x)))
  if (inherits(x, "Date")) return(json_strings(iso_date(x)))
  if (inherits(x, "POSIXct")) return(json_strings(iso_time(x)))
  x <- unclass(x)
  switch(typeof(x),
    double = json_doubles(x),
    integer = json_or_null(sprintf("%d", x), x),
    logical = json_or_null(c("false", "true")[x + 1L], x),
    character = json_strings(x),
    raw = as.character(as.integer(x)),
    list = vapply(x, json_value, ""),
    closure = , builtin = , special = unrepresentable("a function"),
    environment = unrepresentable("an environment"),
    unrepresentable(sprintf("an R object of type '%s'", typeof(x)))
  )
}

# With 15 significant digits where a JSON reader gets the same double from them, else with 17.
# The C library's reader checks it, because R's own is not exact to the last bit.
json_doubles <- function(x) {
  finite <- is.finite(x)
  if (!all(finite)) x[!finite] <- 0
  text <- sprintf("%.15g", x)
  inexact <- unlist(jsonlite::parse_json(json_join(text))) != x
  if (any(inexact)) text[inexact] <- sprintf("%.17g", x[inexact])
  if (!all(finite)) text[!finite] <- "null"
  text
}

json_strings <- function(x) {
  text <- enc2utf8(as.vector(x))
  broken <- which(!validUTF8(text))
  if (length(broken)) text[broken] <- iconv(text[broken], "UTF-8", "UTF-8", sub = "byte")
  if (any(grepl("[\"\\\\\001-\037]", text, perl = TRUE, useBytes = TRUE))) text <- escape(text)
  json_or_null(paste0("\"", text, "\"", recycle0 = TRUE), x)
}

escape <- function(text) {
  text <- gsub("\\", "\\\\", text, fixed = TRUE)
  text <- gsub("\"", "\\\"", text, fixed = TRUE)
  text <- gsub("\n", "\\n", text, fixed = TRUE)
  if (any(grepl("[\001-\037]", text, perl = TRUE, useBytes = TRUE))) {
    for (code in 1:31) {
      text <- gsub(intToUtf8(code), sprintf("\\u%04x", code), text, fixed = TRUE)
    }
  }
  text
}

json_or_null <- function(text, x) {
  text[is.na(x)] <- "null"
  text
}

json_join <- function(members) paste0("[", paste(members, collapse = ","), "]")

# An object of members that are JSON already. A member without a name gets its position, names that
# come again get a number as data.frame() does it: x, x.1, x.2.
json_object <- function(members) {
  pairs <- paste(json_keys(members), members, sep = ":", recycle0 = TRUE)
  paste0("{", paste(pairs, collapse = ","), "}")
}

json_keys <- function(members) {
  keys <- as.character(names(members))
  nameless <- which(is.na(keys) | keys == "")
  keys[nameless] <- nameless
  json_strings(make.unique(keys))
}

iso_date <- function(x) {
  text <- format.Date(x, "%Y-%m-%d")
  text[!is.finite(unclass(x))] <- NA
  text
}

# UTC with microseconds where there are any, rounded: R's own format cuts them off.
iso_time <- function(x) {
  micros <- round(as.double(unclass(x)) * 1e6)
  seconds <- floor(micros / 1e6)
  rest <- micros - seconds * 1e6
  text <- format.POSIXct(.POSIXct(seconds, "UTC"), "%Y-%m-%dT%H:%M:%S")
  text <- paste0(text, ifelse(rest == 0, "", sprintf(".%06.0f", rest)), "Z", recycle0 = TRUE)
  text[!is.finite(micros)] <- NA
  text
}

# The simplest equal of a value whose class only hides what it means.
plain <- function(x) {
  if (isS4(x)) unrepresentable(sprintf("an S4 object of class '%s'", class(x)[1L]))
  if (inherits(x, "POSIXlt")) return(as.POSIXct(x))
  if (inherits(x, "numeric_version")) return(as.character(x))
  if (is.pairlist(x) && !is.null(x)) as.list(x) else x
}

is_cell <- function(x) is.atomic(x) && length(unclass(x)) == 1L

# A vector, or a matrix of a single row or column.
is_flat <- function(x) is.atomic(x) && !is.null(x) && sum(dim(x) != 1L) <= 1L

drop_dim <- function(x) {
  dim(x) <- NULL
  x
}

# The cell of a matrix, list or data.frame of exactly one; anything else unchanged.
only_cell <- function(x) {
  if (is.list(x) && length(x) == 1L && (is.data.frame(x) || is.null(names(x)))) {
    x <- .subset2(x, 1L)
  }
  if (is_cell(x)) drop_dim(x) else x
}

# One number or truth value as the declared one of them, where nothing is lost.
as_scalar <- function(x, type) {
  if (!is_cell(x) || is.object(x) || is.na(x)) return(x)
  switch(type,
    logical = if (is.numeric(x) && x %in% 0:1) x == 1 else x,
    character = if (is.numeric(x)) json_cells(x) else x,
    if (is.logical(x)) as.integer(x) else x
  )
}

# A matrix with column names, or a list of vectors of one length, as a data.frame; anything else
# unchanged.
as_frame <- function(x) {
  is_column <- function(x) is.atomic(x) && !is.null(x) && is.null(dim(x))
  fits <- if (is.matrix(x)) !is.null(colnames(x)) else {
    is.list(x) && !is.object(x) && !is.null(names(x)) && length(unique(lengths(x))) == 1L &&
      all(vapply(x, is_column, NA))
  }
  if (fits) as.data.frame(x, optional = TRUE, stringsAsFactors = FALSE) else x
}

frame_columns <- function(frame) {
  columns <- unclass(frame)
  attributes(columns) <- list(names = names(columns))
  columns
}

unrepresentable <- function(what) stop("it holds ", what, call. = FALSE)
