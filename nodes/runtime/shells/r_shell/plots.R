# Plots that are drawn without a device: PNG files, one for each page.

PLOT_PIXELS <- 400L

# The device of services, which have their directory to themselves: Rplot001.png and on in it.
plot_device <- function() {
  if (!capabilities("cairo")) return(function(...) grDevices::pdf("Rplots.pdf"))
  eval(bquote(function(...) {
    grDevices::png("Rplot%03d.png", .(PLOT_PIXELS), .(PLOT_PIXELS), type = "cairo")
  }), baseenv())
}

# Sessions have files from earlier plots, which must stay, and R always counts from 1. So a device
# draws into a folder of its own, and its pages are moved when they are complete.
use_plot_files <- function(shell) {
  shell$plots <- character()  # the folders of devices, oldest first
  options(device = function(...) open_plot_device(shell))
  close_device <- grDevices::dev.off
  close_devices <- grDevices::graphics.off
  replace_function("grDevices", "dev.off", function(which = grDevices::dev.cur()) {
    on.exit(collect_plots(shell))
    close_device(which)
  })
  replace_function("grDevices", "graphics.off", function() {
    on.exit(collect_plots(shell))
    close_devices()
  })
}

open_plot_device <- function(shell) {
  folder <- tempfile("plots", tempdir(check = TRUE))
  dir.create(folder)
  pages <- file.path(gsub("%", "%%", folder, fixed = TRUE), "%06d")
  if (capabilities("cairo")) {
    grDevices::png(paste0(pages, ".png"), PLOT_PIXELS, PLOT_PIXELS, type = "cairo")
  } else {
    message("R cannot draw PNG files on this machine (it has no cairo): plots become PDF files.")
    inches <- PLOT_PIXELS / 72
    grDevices::pdf(paste0(pages, ".pdf"), inches, inches, onefile = FALSE)
  }
  shell$plots <- c(shell$plots, folder)
}

# Closes the devices that `open_plot_device` opened and has their files in the working directory.
finish_plots <- function(shell) {
  if (!length(shell$plots)) return(invisible())
  for (device in grDevices::dev.list()) {
    if (plot_folder(device) %in% shell$plots) grDevices::dev.off(device)
  }
  collect_plots(shell)
}

# Moves all pages to which nothing can be added any more to free names in the working directory.
collect_plots <- function(shell) suppressWarnings(suspendInterrupts({
  open <- vapply(grDevices::dev.list(), plot_folder, "")
  for (folder in shell$plots) {
    pages <- list.files(folder, full.names = TRUE)
    if (folder %in% open) {
      pages <- pages[-length(pages)]
    } else {
      shell$plots <- setdiff(shell$plots, folder)
    }
    for (page in pages) {
      name <- free_plot_name(shell$work, tools::file_ext(page))
      if (!file.copy(page, name)) message("The plot ", name, " cannot be written.")
      unlink(page)
    }
    if (!folder %in% open) unlink(folder, recursive = TRUE)
  }
}))

# The folder a device draws into, "" when it has no file.
plot_folder <- function(device) {
  path <- c(attr(.Devices[[device]], "filepath"), "")[1L]
  dirname(gsub("%%", "%", path, fixed = TRUE))
}

# One after the last plot where the code is now, unless that is outside of `work`.
free_plot_name <- function(work, extension) {
  here <- c(getwd(), work)[1L]
  if (here != work && !startsWith(here, paste0(work, "/"))) here <- work
  used <- list.files(here, "^Rplot[0-9]{3,9}[.][a-z]+$")
  number <- max(0L, as.integer(gsub("[^0-9]", "", used))) + 1L
  file.path(here, sprintf("Rplot%03d.%s", number, extension))
}
