# How a data set and its values are written.

suppressPackageStartupMessages(library(jsonlite))

versions <- function(packages) {
  c(R = paste(R.version$major, R.version$minor, sep = "."),
    sapply(packages, function(p) as.character(packageVersion(p))))
}

#' Write name.json: where the data are from, the data, and the values.
#'
#' data: X (a data frame of numbers), y, and optionally weights, offset, groups.
write_case <- function(name, source, licence, about, data, values,
                       packages = c("sandwich", "lmtest", "pROC")) {
  X <- lapply(data$X, function(x) if (all(x == round(x))) as.integer(x) else x)
  rows <- c(list(columns = as.list(names(data$X)), X = unname(X)), data[setdiff(names(data), "X")])
  case <- list(name = name, source = source, licence = licence, about = about,
               program = program, versions = as.list(versions(packages)),
               data = rows, values = values)
  text <- toJSON(case, digits = I(17), auto_unbox = TRUE, na = "null", null = "null")
  # one entry of data and values a line
  writeLines(gsub('(,)("[A-Za-z_0-9]+":[\\[{])', "\\1\n\\2", text),
             paste0(name, ".json"))
}

#' Indicator columns of all levels of a factor but the first.
indicators <- function(x, prefix) {
  x <- factor(x)
  found <- sapply(levels(x)[-1], function(l) as.integer(x == l))
  found <- matrix(found, nrow = length(x))
  colnames(found) <- paste0(prefix, gsub("[^A-Za-z0-9]+", "_", levels(x)[-1]))
  as.data.frame(found)
}

#' Rows repeated as often as their weight says.
repeated <- function(data) {
  again <- rep(seq_along(data$y), data$weights)
  list(X = data$X[again, , drop = FALSE], y = data$y[again], offset = data$offset[again],
       groups = data$groups[again])
}
