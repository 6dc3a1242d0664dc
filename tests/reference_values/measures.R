# Measures of fit, marginal effects and diagnostics of rows, from their definitions.

#' Brier score, AUC with DeLong's error, Hosmer and Lemeshow's test and others.
goodness <- function(y, p, in_sample = TRUE) {
  curve <- roc(y, p, direction = "<", levels = c(0, 1), quiet = TRUE)
  logits <- qlogis(p)
  slope <- suppressWarnings(glm(y ~ logits, binomial(), control = tight))
  list(
    brier = mean((p - y)^2),
    log_loss = -mean(ifelse(y == 1, log(p), log1p(-p))),
    tjur = mean(p[y == 1]) - mean(p[y == 0]),
    auc = as.numeric(auc(curve)),
    auc_bse = sqrt(var(curve, method = "delong")),
    events = sum(y), expected_events = sum(p),
    calibration_intercept = unname(coef(slope)[1]),
    calibration_slope = unname(coef(slope)[2]),
    hosmer_lemeshow = hosmer_lemeshow(y, p, 10, in_sample)
  )
}

#' Hosmer and Lemeshow (1980): groups parted at quantiles of p, of R's default type 7.
#'
#' Equal borders are one, and groups that are not there give no degree of freedom.
hosmer_lemeshow <- function(y, p, groups, in_sample) {
  borders <- unique(quantile(p, seq(0, 1, 1 / groups)))
  group <- cut(p, borders, include.lowest = TRUE)
  n <- tapply(y, group, length)
  observed <- tapply(y, group, sum)
  expected <- tapply(p, group, sum)
  terms <- (observed - expected)^2 * (1 / expected + 1 / (n - expected))
  df <- length(n) - 2 * in_sample
  list(groups = groups, statistic = sum(terms), df = df,
       pvalue = pchisq(sum(terms), df, lower.tail = FALSE),
       observed = bare(c(observed)), expected = bare(c(expected)), n = bare(c(n)))
}

#' Average marginal effects and those at the means, errors by the delta method.
#'
#' dydx is the derivative of the probability; for columns of 0 and 1 the discrete
#' change, from 0 to 1 with all else as it is, is given too. w are frequencies.
effects_of <- function(fit, w = fit$prior.weights) {
  X <- model.matrix(fit)
  offset <- fit$offset %||% rep(0, nrow(X))
  b <- coef(fit)
  V <- vcov(fit)
  columns <- 2:ncol(X)
  slope_at <- function(Z, eta, w) {
    p <- plogis(eta)
    d1 <- p * (1 - p)
    mean_d1 <- sum(w * d1) / sum(w)
    mean_d2x <- colSums(w * d1 * (1 - 2 * p) * Z) / sum(w)
    J <- outer(b, mean_d2x)
    diag(J) <- diag(J) + mean_d1
    J <- J[columns, , drop = FALSE]
    list(dydx = bare(b[columns] * mean_d1), covariance = bare(J %*% V %*% t(J)),
         bse = bare(sqrt(diag(J %*% V %*% t(J)))))
  }
  change <- function(Z, offset, w, j) {
    on <- off <- Z
    on[, j] <- 1
    off[, j] <- 0
    p1 <- plogis(drop(on %*% b) + offset)
    p0 <- plogis(drop(off %*% b) + offset)
    J <- colSums(w * (p1 * (1 - p1) * on - p0 * (1 - p0) * off)) / sum(w)
    c(sum(w * (p1 - p0)) / sum(w), sqrt(drop(J %*% V %*% J)))
  }
  middle <- matrix(colSums(w * X) / sum(w), 1, dimnames = list(NULL, colnames(X)))
  middle_offset <- sum(w * offset) / sum(w)
  binary <- columns[apply(X[, columns, drop = FALSE], 2, function(x) all(x %in% 0:1))]
  discrete <- function(Z, offset, w) {
    found <- sapply(binary, function(j) change(Z, offset, w, j))
    list(columns = plain(colnames(X)[binary]), change = bare(found[1, ]),
         bse = bare(found[2, ]))
  }
  found <- list(
    names = plain(names(b)[columns]),
    overall = slope_at(X, drop(X %*% b) + offset, w),
    mean = slope_at(middle, drop(middle %*% b) + middle_offset, 1)
  )
  if (length(binary)) {
    found$overall$discrete <- discrete(X, offset, w)
    found$mean$discrete <- discrete(middle, middle_offset, 1)
  }
  found
}

#' Residuals of four kinds, leverages, Cook's distances, studentized residuals.
rows_of <- function(fit) {
  list(
    response = bare(residuals(fit, "response")),
    pearson = bare(residuals(fit, "pearson")),
    deviance = bare(residuals(fit, "deviance")),
    working = bare(residuals(fit, "working")),
    leverage = bare(hatvalues(fit)),
    cooks_distance = bare(cooks.distance(fit)),
    standardized_deviance = bare(rstandard(fit)),
    standardized_pearson = bare(rstandard(fit, type = "pearson"))
  )
}
