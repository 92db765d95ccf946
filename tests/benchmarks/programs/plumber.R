# The R model behind plumber: Rscript plumber.R PORT MODEL
arguments <- commandArgs(TRUE)
model <- readRDS(arguments[[2]])

predict_rows <- function(inputData) {
  unname(predict(model, as.data.frame(inputData)))
}

api <- plumber::pr_post(
  plumber::pr(), "/linear", predict_rows,
  serializer = plumber::serializer_json(digits = NA)
)
plumber::pr_run(api, host = "127.0.0.1", port = as.integer(arguments[[1]]), docs = FALSE, quiet = TRUE)
