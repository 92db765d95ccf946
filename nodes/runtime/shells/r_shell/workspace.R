# Objects of the global environment, one at a time and all together.

# Version 2 of R's format, so that clients with an R before 3.5 can load what they get.
OBJECT_VERSION <- 2L

list_objects <- function() as.list(ls(globalenv()))


# Binds to `name` what the file holds: the like-named or only object of an .RData, or the value of
# serialize() or saveRDS(), compressed or not.
put_object <- function(name, path) {
  value <- if (is_workspace_file(path)) {
    objects <- new.env(parent = emptyenv())
    loaded <- load(path, objects)
    if (length(loaded) == 0L) stop("the .RData holds no object")
    if (length(loaded) > 1L && !name %in% loaded) {
      stop(sprintf(
        "the .RData holds several objects, none of them named '%s': %s",
        name, paste(loaded, collapse = ", ")
      ))
    }
    objects[[if (name %in% loaded) name else loaded]]
  } else {
    tryCatch(readRDS(path), error = function(e) {
      stop("the bytes are neither an .RData file nor a serialized R value: ", conditionMessage(e))
    })
  }
  assign(name, value, globalenv())
}

get_object <- function(name, path) {
  save(list = name, file = path, envir = globalenv(), version = OBJECT_VERSION)
}

# Saves all globals, hidden ones too; returns their number and writes no file when there is none.
save_workspace <- function(path) {
  names <- setdiff(ls(globalenv(), all.names = TRUE), ".Random.seed")
  if (length(names)) save(list = names, file = path, envir = globalenv())
  length(names)
}

# Loads all objects over the present ones. The state of the random number generator, which
# save.image() keeps along with them, is left out: it would make all runs draw the same numbers.
load_workspace <- function(path) {
  if (!is_workspace_file(path)) stop("the workspace is not an .RData file")
  objects <- new.env(parent = emptyenv())
  load(path, objects)
  for (name in setdiff(ls(objects, all.names = TRUE), ".Random.seed")) {
    assign(name, objects[[name]], globalenv())
  }
}

# Whether the file begins like those of save(): RDX3, RDA2 and so on.
is_workspace_file <- function(path) {
  file <- gzfile(path, "rb")  # reads uncompressed, bzip2 and xz files as well
  on.exit(close(file))
  start <- readBin(file, "raw", 5L)
  length(start) == 5L && grepl("^RD[ABX][1-9]\n$", rawToChar(start[start != 0L]))
}
