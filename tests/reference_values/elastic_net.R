# Lasso, ridge and elastic net by glmnet, on data made here.
#
# glmnet minimizes the mean loss with weights rescaled to sum to 1, plus lambda sum_j
# f_j (a |b_j| + (1 - a) b_j^2 / 2) with factors rescaled to mean 1; standardize=TRUE
# penalises b_j sd_j, with the sd over n, not n - 1. It is driven to the optimum, and the
# program stops where the conditions of the optimum do not hold.

suppressPackageStartupMessages({library(glmnet); library(jsonlite)})

make <- function(seed, n, k, rho = 0, slopes = c(1, -1, 0.5, 0.8, -0.6), weights = FALSE,
                 offset = FALSE, spread = FALSE) {
  set.seed(seed)
  X <- sqrt(1 - rho) * matrix(rnorm(n * k), n) + sqrt(rho) * rnorm(n)
  if (spread) X <- t(t(X) * 10^seq(-1, 1, length.out = k) + seq_len(k))
  X <- round(X, 3)
  scaled <- scale(X)
  m <- min(k, length(slopes))
  eta <- drop(scaled[, 1:m, drop = FALSE] %*% slopes[1:m]) - 0.3
  data <- list(X = X)
  if (offset) {
    data$offset <- round(rnorm(n, 0, 0.5), 2)
    eta <- eta + data$offset
  }
  if (weights) data$weights <- sample(0:4, n, replace = TRUE)
  data$y <- as.integer(runif(n) < plogis(eta))
  data
}

#' What is left of the slope of every coefficient, of the mean loss plus the penalty.
missing_slope <- function(d, w, b0, b, lambda, a, f, low, high) {
  eta <- b0 + drop(d$X %*% b) + if (is.null(d$offset)) 0 else d$offset
  g <- drop(crossprod(d$X, w * (plogis(eta) - d$y))) + lambda * (1 - a) * f * b
  right <- g + lambda * a * f * ifelse(b >= 0, 1, -1)
  left <- g + lambda * a * f * ifelse(b > 0, 1, -1)
  ifelse(b < high, pmin(right, 0), 0) + ifelse(b > low, pmax(left, 0), 0)
}

solve_case <- function(name, d, lambda, a, intercept = TRUE, factor = NULL,
                       low = -Inf, high = Inf, standardize = FALSE) {
  n <- nrow(d$X); k <- ncol(d$X)
  w <- if (is.null(d$weights)) rep(1, n) else d$weights
  f <- if (is.null(factor)) rep(1, k) else factor
  low <- rep(low, length.out = k); high <- rep(high, length.out = k)
  glmnet.control(fdev = 0, devmax = 1, epsnr = 1e-15, mxitnr = 1000)
  fit <- glmnet(d$X, d$y, family = "binomial", weights = w, offset = d$offset,
                alpha = a, lambda = lambda * c(64, 32, 16, 8, 4, 2, 1),
                standardize = standardize, intercept = intercept, thresh = 1e-22,
                maxit = 1e8, penalty.factor = f, lower.limits = low, upper.limits = high)
  f <- f * k / sum(f)
  if (standardize) {
    mean <- colSums(w * d$X) / sum(w)
    f <- f * sqrt(colSums(w * t(t(d$X) - mean)^2) / sum(w))
  }
  at <- ncol(fit$beta)
  b <- unname(as.matrix(fit$beta)[, at]); b0 <- unname(fit$a0[at])
  left <- missing_slope(d, w / sum(w), b0, b, lambda, a, f, low, high)
  cat(name, max(abs(left)) / lambda, sum(b != 0), "\n")
  stopifnot(max(abs(left)) < 1e-8 * lambda)
  number <- function(x) ifelse(is.finite(x), x, NA)
  list(name = name, X = unname(split(d$X, col(d$X))), y = d$y, weights = d$weights,
       offset = d$offset, alpha = lambda, l1_ratio = a, fit_intercept = intercept,
       penalty_factor = if (is.null(factor) && !standardize) NULL else unname(f),
       bounds = if (any(is.finite(c(low, high)))) cbind(number(low), number(high)),
       params = c(b0, b), dev_ratio = unname(fit$dev.ratio[at]))
}

plain <- make(1, 150, 6, spread = TRUE)
wide <- make(2, 40, 80)
tight <- make(3, 120, 10, rho = 0.95)
heavy <- make(4, 120, 8, weights = TRUE)
moved <- make(5, 100, 7, weights = TRUE, offset = TRUE)
cases <- list(
  solve_case("lasso", plain, 0.03, 1),
  solve_case("lasso without intercept", plain, 0.05, 1, intercept = FALSE),
  solve_case("ridge", plain, 0.1, 0),
  solve_case("ridge with factors", plain, 0.1, 0, factor = c(1, 0, 2, 0.5, 3, 1)),
  solve_case("elastic net", plain, 0.05, 0.4),
  solve_case("lasso standardized", plain, 0.04, 1, standardize = TRUE),
  solve_case("lasso with factors", plain, 0.05, 1, factor = c(1, 0, 2, 0.5, 3, 1)),
  solve_case("lasso not negative", plain, 0.02, 1, low = 0),
  solve_case("elastic net in boxes", plain, 0.01, 0.5, low = -0.2,
             high = c(0.5, 0.1, 1, Inf, 0.05, Inf)),
  solve_case("more columns than rows", wide, 0.08, 1),
  solve_case("more columns than rows, elastic net", wide, 0.1, 0.5),
  solve_case("correlated columns", tight, 0.01, 1),
  solve_case("weights", heavy, 0.05, 1),
  solve_case("weights, standardized", heavy, 0.03, 1, standardize = TRUE),
  solve_case("all at once", moved, 0.02, 0.6, factor = c(0, 1, 1, 2, 1, 0.5, 1),
             low = c(-Inf, 0, -1, -1, -0.1, -Inf, 0), high = c(1, Inf, 1, 1, 0.1, 0.2, 2))
)
versions <- list(R = paste(R.version$major, R.version$minor, sep = "."),
                 glmnet = as.character(packageVersion("glmnet")))
text <- toJSON(list(program = "elastic_net.R", source = "made by the program",
                    versions = versions, cases = cases),
               digits = I(17), auto_unbox = TRUE, na = "null", null = "null")
# one entry a line
writeLines(gsub('(,)("[A-Za-z_0-9]+":[\\[{])', "\\1\n\\2", text), "elastic_net.json")
