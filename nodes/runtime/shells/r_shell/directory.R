# The working directory: what a run changed in it, and its way back to what it was before.

# Copies what a bundle holds into the working directory, all but the entries `except`; returns what
# is there then.
place_files <- function(files, except) {
  names <- setdiff(list.files(files, all.files = TRUE, no.. = TRUE), except)
  if (!all(file.copy(file.path(files, names), getwd(), recursive = TRUE))) {
    stop("the files of the bundle cannot be copied into the working directory")
  }
  placed <- read_directory(getwd())
  backdate(placed$full)
  read_directory(getwd())
}

# The working directory as every run shall find it, with the place to get each file from again:
# the bundle's `files`, or `store` for what the init code made of the files that were `placed`.
keep_directory <- function(placed, files, store) {
  made <- !(read_directory(getwd())$key %in% placed$key)
  backdate(read_directory(getwd())$full[made])
  base <- c(read_directory(getwd()), list(directory = getwd()))
  base$origin <- file.path(files, base$path)
  made <- which(made & base$kind == "file")
  if (length(made)) {
    dir.create(store)
    base$origin[made] <- file.path(store, made)
    if (!all(file.copy(base$full[made], base$origin[made]))) stop("the init code's files are lost")
  }
  base
}

# Names of the files that were created or modified since `base` was kept.
changed_files <- function(base, except = NULL) {
  now <- read_directory(base$directory, except)
  now$path[now$kind != "folder" & !(now$key %in% base$key)]
}

# Undoes every change since `base` was kept; stops when that fails.
restore_directory <- function(base) {
  dir.create(base$directory, showWarnings = FALSE)
  setwd(base$directory)
  now <- read_directory(base$directory)
  if (identical(now$key, base$key)) return(invisible())
  unlink(now$full[!(now$key %in% base$key)], recursive = TRUE, expand = FALSE)
  lost <- !(base$key %in% now$key)
  for (path in base$full[lost & base$kind == "folder"]) dir.create(path)
  files <- which(lost & base$kind == "file")
  file.copy(base$origin[files], base$full[files])
  backdate(base$full[files], base$time[files])
  if (!identical(read_directory(base$directory)$key, base$key)) stop("files cannot be put back")
}

# All entries below `directory` but for those at its top named `except`, folders before what they
# hold; links are not followed. The key of an entry changes when the entry does.
read_directory <- function(directory, except = NULL) {
  full <- level <- setdiff(list_folders(directory), file.path(directory, except))
  while (length(level)) {
    level <- list_folders(level[dir.exists(level) & !nzchar(Sys.readlink(level))])
    full <- c(full, level)
  }
  if (!length(full)) {
    return(list(path = character(), full = character(), kind = character(), key = character()))
  }
  path <- substring(readable(full), nchar(directory) + 2L)
  info <- file.info(full, extra_cols = FALSE)
  kind <- ifelse(nzchar(Sys.readlink(full)), "link", ifelse(info$isdir, "folder", "file"))
  state <- sprintf("%.0f %.17g %o", info$size, info$mtime, as.integer(info$mode))
  state <- ifelse(kind == "file", state, Sys.readlink(full))
  list(path = path, full = full, kind = kind, key = paste(path, kind, state), time = info$mtime)
}

# File names as text, their bytes that are none in angle brackets.
readable <- function(names) {
  broken <- !validUTF8(names)
  if (any(broken)) names[broken] <- iconv(names[broken], "UTF-8", "UTF-8", sub = "byte")
  names
}

list_folders <- function(folders) {
  if (!length(folders)) return(character())
  list.files(folders, all.files = TRUE, full.names = TRUE, no.. = TRUE)
}

# Ages files, so that any later write shows in their time stamps, however soon it comes.
backdate <- function(files, time = floor(unclass(Sys.time())) - 60) {
  if (length(files)) Sys.setFileTime(files, .POSIXct(time))
}

# The declared output files that exist, as a JSON object of their names to base64.
output_files <- function(names) {
  if (!length(names)) return("{}")
  present <- Filter(function(name) file.exists(name) && !dir.exists(name), as.character(names))
  contents <- vapply(present, function(name) {
    lines <- jsonlite::base64_enc(readBin(name, "raw", file.size(name)))
    paste0("\"", gsub("\n", "", lines, fixed = TRUE), "\"")
  }, "")
  names(contents) <- present
  json_object(contents)
}
