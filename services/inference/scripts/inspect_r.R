# Looks into a file with R objects; runs in a shell of a compute node, never elsewhere. It finds
# `file_name` among its variables and leaves `report`, JSON in a text.

load_file <- function(path) {
  object <- tryCatch(readRDS(path), error = function(e) e)
  if (!inherits(object, "error")) return(list(object = object, name = "", loader = "readRDS"))
  room <- new.env()
  names <- tryCatch(load(path, envir = room), error = function(e) NULL, warning = function(w) NULL)
  if (is.null(names)) stop(conditionMessage(object), call. = FALSE)
  models <- Filter(function(name) has_predict(get(name, envir = room)), names)
  name <- c(models, names)[1L]
  list(object = get(name, envir = room), name = name, loader = "load", names = names)
}

package_of <- function(object) {
  call <- tryCatch(object$call[[1L]], error = function(e) NULL)
  known <- c(
    randomForest = "randomForest", ranger = "ranger", rpart = "rpart", gbm = "gbm",
    xgb.Booster = "xgboost", lgb.Booster = "lightgbm", glmnet = "glmnet", svm = "e1071",
    naiveBayes = "e1071", nnet = "nnet", multinom = "nnet", train = "caret", coxph = "survival",
    survreg = "survival", gam = "mgcv", lda = "MASS", qda = "MASS", polr = "MASS",
    merMod = "lme4", lmerMod = "lme4", glmerMod = "lme4", C5.0 = "C50", ksvm = "kernlab",
    earth = "earth", loess = "stats", lm = "stats", glm = "stats", nls = "stats"
  )
  found <- known[intersect(class(object), names(known))]
  owner <- attr(class(object), "package")
  if (length(found)) return(unname(found[1L]))
  if (!is.null(owner) && owner != ".GlobalEnv") return(owner)
  if (is.call(call) && identical(call[[1L]], quote(`::`))) as.character(call[[2L]]) else ""
}

has_predict <- function(object) {
  methods <- vapply(c(class(object), if (isS4(object)) methods::is(object)), function(name) {
    !is.null(utils::getS3method("predict", name, optional = TRUE)) ||
      (isS4(object) && methods::hasMethod("predict", name))
  }, NA)
  any(methods)
}

kind_of <- function(class) {
  switch(class,
    numeric = "numeric", logical = "logical", factor = , ordered = , character = "character", ""
  )
}

columns_of <- function(object) {
  terms <- tryCatch(terms(object), error = function(e) NULL)
  if (is.null(terms)) return(NULL)
  classes <- attr(terms, "dataClasses")
  response <- attr(terms, "response")
  variables <- all.vars(stats::delete.response(terms))
  seen <- tryCatch(stats::model.frame(object), error = function(e) NULL)
  data <- tryCatch(eval(object$call$data, globalenv()), error = function(e) NULL)
  levels <- tryCatch(c(object$xlevels, attr(object, "xlevels"), object$forest$xlevels),
    error = function(e) NULL)
  lapply(variables, function(name) {
    kind <- if (name %in% names(classes)) kind_of(classes[[name]]) else ""
    values <- levels[[name]]
    if (is.numeric(values)) values <- NULL
    example <- NULL
    if (is.data.frame(seen) && name %in% names(seen) && nrow(seen)) example <- seen[[name]][1L]
    if (is.null(example) && is.data.frame(data) && name %in% names(data)) example <- data[[name]][1L]
    if (kind == "" && !is.null(example)) kind <- kind_of(class(example)[1L])
    if (kind == "") kind <- if (is.null(values)) "numeric" else "character"
    if (is.factor(example)) example <- as.character(example)
    if (is.null(example)) example <- switch(kind, character = c(values, "")[1L], logical = TRUE, 0)
    is_factor <- name %in% names(classes) && classes[[name]] %in% c("factor", "ordered")
    list(
      name = name, type = kind, values = as.character(values), example = unname(example),
      factor = is_factor
    )
  })
}

response_of <- function(object) {
  terms <- tryCatch(terms(object), error = function(e) NULL)
  if (is.null(terms) || !attr(terms, "response")) return("")
  names <- all.vars(attr(terms, "variables")[[attr(terms, "response") + 1L]])
  if (length(names)) names[1L] else ""
}

try_out <- function(object, columns, type) {
  row <- lapply(columns, function(column) {
    if (column$factor) factor(column$example, levels = column$values) else column$example
  })
  names(row) <- vapply(columns, `[[`, "", "name")
  row <- as.data.frame(row, optional = TRUE, stringsAsFactors = FALSE)
  arguments <- c(list(object, newdata = row), if (nzchar(type)) list(type = type))
  value <- do.call(stats::predict, arguments)
  list(
    type = if (is.factor(value) || is.character(value)) "character" else
      if (is.logical(value)) "logical" else if (is.numeric(value)) "numeric" else "",
    columns = if (is.matrix(value) || is.data.frame(value)) colnames(value)
  )
}

# The `type` for which a prediction is on the scale of the response.
type_of <- function(object) {
  if (inherits(object, "glm") || inherits(object, "gam")) return("response")
  if (inherits(object, "rpart") && identical(object$method, "class")) return("class")
  if (inherits(object, "gbm")) return("response")
  ""
}

describe <- function(loaded) {
  object <- loaded$object
  package <- package_of(object)
  result <- list(
    class = class(object)[1L], package = package, loader = loaded$loader, name = loaded$name,
    names = as.list(loaded$names), missing = "", tried = "", columns = list(), response = "",
    type = "", output_type = "", output_columns = list(), has_predict = FALSE
  )
  if (nzchar(package) && !requireNamespace(package, quietly = TRUE)) {
    result$missing <- package
  }
  result$has_predict <- has_predict(object)
  if (is.function(object) || is.data.frame(object) || !result$has_predict) return(result)
  columns <- columns_of(object)
  result$columns <- lapply(columns, function(column) {
    column$values <- as.list(column$values)
    column
  })
  result$response <- response_of(object)
  result$type <- type_of(object)
  if (is.null(columns)) {
    result$tried <- "It does not say which variables it takes."
    return(result)
  }
  tryCatch({
    tried <- try_out(object, columns, result$type)
    result$output_type <- tried$type
    result$output_columns <- as.list(tried$columns)
  }, error = function(e) result$tried <<- conditionMessage(e))
  result
}

texts <- character()
found <- withCallingHandlers(
  tryCatch(describe(load_file(file_name)), error = function(e) {
    list(error = conditionMessage(e), missing = "")
  }),
  warning = function(w) {
    texts <<- c(texts, conditionMessage(w))
    invokeRestart("muffleWarning")
  }
)
found$warnings <- as.list(unique(utils::head(texts, 10L)))
found$r <- as.character(getRversion())
report <- as.character(jsonlite::toJSON(found, auto_unbox = TRUE, null = "null", digits = 6))
