# Packages that belong to a session or a service: a library among its files.

LIBRARY <- ".library"

# Makes an existing folder the first place for packages, also of R processes that code starts.
use_library <- function(folder) {
  if (!dir.exists(folder)) return(invisible())
  .libPaths(c(folder, .libPaths()))
  Sys.setenv(R_LIBS = .libPaths()[1L])
}

# Takes back a former value of .libPaths(), with folders that are not there any more.
set_libraries <- function(folders) {
  if (!identical(.libPaths(), folders)) assign(".lib.loc", folders, environment(.libPaths))
}

# Loads the workspace of a snapshot. Packages that lie beside it are moved into the library of the
# session before that, because objects may refer to them; back when the workspace cannot be loaded.
load_session_workspace <- function(shell, path) {
  beside <- file.path(dirname(path), LIBRARY)
  library <- file.path(shell$work, LIBRARY)
  names <- setdiff(list.files(beside, all.files = TRUE, no.. = TRUE), list.files(library))
  file.rename(file.path(beside, names), file.path(library, names))
  tryCatch(load_workspace(path), error = function(e) {
    file.rename(file.path(library, names), file.path(beside, names))
    stop(e)
  })
}
