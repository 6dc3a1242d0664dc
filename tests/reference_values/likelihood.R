# Fits by glm, driven to the last digit, and what the likelihood tells about them.
#
# Rows are single trials: y is 0 or 1. Data with frequency weights are expanded before
# they come here, so that every value is that of the rows repeated.

suppressPackageStartupMessages({
  library(sandwich)
  library(lmtest)
  library(pROC)
})

tight <- glm.control(epsilon = 1e-14, maxit = 100)

#' Fit y on the columns of X; names of X become those of the coefficients.
#'
#' glm's tolerance for aliased columns follows its epsilon, so they are found at the
#' default epsilon, and the rest is fitted again with a tight one.
fit_glm <- function(X, y, weights = rep(1, length(y)), offset = rep(0, length(y))) {
  if (is.null(X) || ncol(X) == 0) {
    frame <- data.frame(y = y)
    formula <- y ~ 1
  } else {
    loose <- suppressWarnings(glm.fit(cbind(const = 1, as.matrix(X)), y, weights,
                                      offset = offset, family = binomial()))
    kept <- names(X)[!is.na(loose$coefficients[-1])]
    frame <- cbind(y = y, X[kept])
    formula <- reformulate(sprintf("`%s`", kept), "y")
  }
  frame$w <- weights
  frame$o <- offset
  # Once more from the optimum: glm's covariance is that of the step before the last.
  # "non-integer #successes" is of no concern; failure to converge is judged below.
  climb <- function(start) suppressWarnings(
    glm(formula, binomial(), frame, weights = w, offset = o, control = tight,
        start = start))
  fit <- climb(coef(climb(NULL)))
  at_optimum(fit, y, weights)
  fit
}

#' Stop unless the Newton step that is left is below 2e-9 standard errors.
at_optimum <- function(fit, y, weights) {
  score <- crossprod(model.matrix(fit), weights * (y - fitted(fit)))
  left <- drop(sqrt(t(score) %*% vcov(fit) %*% score))
  if (!(left < 2e-9)) stop("glm is ", left, " standard errors from the optimum")
}

plain <- function(names) {
  gsub("`", "", sub("^\\(Intercept\\)$", "const", names))
}

#' A matrix or vector without names, for JSON.
bare <- function(x) unname(x)

#' Coefficients and covariances; groups are cluster ids of the rows.
estimates <- function(fit, groups = NULL) {
  found <- list(
    names = plain(names(coef(fit))),
    params = bare(coef(fit)),
    model = bare(vcov(fit)),
    HC0 = bare(vcovHC(fit, type = "HC0")),
    HC1 = bare(vcovHC(fit, type = "HC1"))
  )
  if (!is.null(groups)) {
    # G / (G - 1) by cadjust and (n - 1) / (n - k) by type
    found$cluster <- bare(vcovCL(fit, groups, type = "HC1", cadjust = TRUE))
    found$n_clusters <- length(unique(groups))
  }
  found
}

likelihoods <- function(fit) {
  null <- fit_glm(NULL, fit$y, offset = fit$offset %||% rep(0, length(fit$y)))
  llf <- as.numeric(logLik(fit))
  llnull <- as.numeric(logLik(null))
  n <- length(fit$y)
  cox_snell <- 1 - exp(-2 * (llf - llnull) / n)
  list(
    deviance = fit$deviance, null_deviance = null$deviance, llf = llf, llnull = llnull,
    nobs = n, df_resid = fit$df.residual, aic = AIC(fit), bic = BIC(fit),
    mcfadden = 1 - llf / llnull, cox_snell = cox_snell,
    nagelkerke = cox_snell / (1 - exp(2 * llnull / n)),
    llr = 2 * (llf - llnull),
    llr_pvalue = pchisq(2 * (llf - llnull), fit$rank - 1, lower.tail = FALSE)
  )
}

`%||%` <- function(a, b) if (is.null(a)) b else a

#' Rao's score test of columns Z that are not in a fitted model.
#'
#' From the definition, because that of anova and drop1 takes weights of the step before
#' the last (2e-7 off for rare events); they must agree to 1e-5.
score_test <- function(small, Z, theirs) {
  X <- model.matrix(small)
  Z <- as.matrix(Z)
  p <- fitted(small)
  v <- small$prior.weights * p * (1 - p)
  score <- crossprod(Z, small$prior.weights * (small$y - p))
  V <- crossprod(qr.resid(qr(sqrt(v) * X), sqrt(v) * Z))
  statistic <- drop(t(score) %*% solve(V, score))
  if (!(abs(statistic / theirs - 1) < 1e-5)) stop("score tests disagree")
  list(statistic = statistic, pvalue = pchisq(statistic, ncol(Z), lower.tail = FALSE))
}

#' Likelihood-ratio and score tests of every column dropped by itself.
#'
#' The score test of a dropped column is that of the column as a candidate for the
#' model without it.
dropped_columns <- function(fit) {
  X <- model.frame(fit)[plain(names(coef(fit))[-1])]
  offset <- fit$offset %||% rep(0, nrow(X))
  theirs <- suppressWarnings(drop1(fit, test = "Rao"))[-1, "Rao score"]
  small <- lapply(seq_along(X), function(j) {
    fit_glm(X[-j], fit$y, fit$prior.weights, offset)
  })
  ratio <- sapply(small, function(model) model$deviance) - fit$deviance
  score <- lapply(seq_along(X), function(j) score_test(small[[j]], X[j], theirs[j]))
  # I(): a list even of one column
  list(
    terms = I(names(X)),
    lr = list(statistic = I(ratio), pvalue = I(pchisq(ratio, 1, lower.tail = FALSE))),
    rao = list(statistic = I(sapply(score, `[[`, "statistic")),
               pvalue = I(sapply(score, `[[`, "pvalue")))
  )
}

#' Tests of several columns that leave the model together.
dropped_together <- function(X, y, columns, offset = rep(0, length(y))) {
  full <- fit_glm(X, y, offset = offset)
  small <- fit_glm(X[setdiff(names(X), columns)], y, offset = offset)
  ratio <- anova(small, full, test = "LRT")
  score <- score_test(small, X[columns], anova(small, full, test = "Rao")$Rao[2])
  df <- ratio$Df[2]
  list(
    columns = columns, df = df,
    lr = ratio$Deviance[2], lr_pvalue = ratio[["Pr(>Chi)"]][2],
    rao = score$statistic, rao_pvalue = score$pvalue,
    wald = waldtest(small, full, test = "Chisq")$Chisq[2]
  )
}

#' Rao's tests of candidates that are not in the model, each by itself and jointly.
candidates <- function(X, y, Z, offset = rep(0, length(y))) {
  small <- fit_glm(X, y, offset = offset)
  test <- function(names) {
    both <- fit_glm(cbind(X, Z[names]), y, offset = offset)
    score_test(small, Z[names], anova(small, both, test = "Rao")$Rao[2])
  }
  each <- lapply(names(Z), test)
  joint <- test(names(Z))
  list(names = names(Z), statistic = sapply(each, `[[`, "statistic"),
       pvalue = sapply(each, `[[`, "pvalue"), joint = joint$statistic,
       joint_pvalue = joint$pvalue)
}

#' Wald's test of R b = r with a covariance.
wald <- function(fit, R, r, kind) {
  V <- if (kind == "model") vcov(fit) else vcovHC(fit, type = kind)
  gap <- R %*% coef(fit) - r
  statistic <- drop(t(gap) %*% solve(R %*% V %*% t(R), gap))
  list(statistic = statistic, df = nrow(R),
       pvalue = pchisq(statistic, nrow(R), lower.tail = FALSE))
}

#' Exact profile-likelihood intervals, by root finding on the profile deviance.
#'
#' R's confint interpolates between a few points; here uniroot goes to 1e-12.
profile_intervals <- function(fit, names = NULL, level = 0.95) {
  X <- model.matrix(fit)
  base <- fit$offset %||% rep(0, nrow(X))
  y <- fit$y
  w <- fit$prior.weights
  bse <- sqrt(diag(vcov(fit)))
  start <- coef(fit)
  if (is.null(names)) names <- plain(base::names(start))
  end <- function(j, sign) {
    excess <- function(value) {
      offset <- base + X[, j] * value
      if (ncol(X) == 1) {
        eta <- offset
        deviance <- 2 * sum(w * (log1p(exp(eta)) - y * eta))
      } else {
        deviance <- suppressWarnings(glm.fit(
          X[, -j, drop = FALSE], y, w, offset = offset, family = binomial(),
          control = tight))$deviance
      }
      deviance - fit$deviance - qchisq(level, 1)
    }
    far <- sqrt(qchisq(level, 1)) * bse[j]
    outer <- start[j] + sign * 1.3 * far
    while (excess(outer) < 0) outer <- outer + sign * 0.3 * far
    ends <- sort(c(start[j] + sign * 0.5 * far, outer))
    uniroot(excess, ends, tol = 1e-12 * max(bse[j], 1e-300), maxiter = 1000)$root
  }
  places <- match(names, plain(base::names(start)))
  list(names = names, ends = t(sapply(places, function(j) c(end(j, -1), end(j, 1)))))
}

#' Variance inflation factors of groups of columns, as car::vif defines them for a glm.
inflation <- function(fit, groups) {
  correlation <- cov2cor(vcov(fit)[-1, -1])
  sapply(groups, function(group) {
    at <- match(group, plain(rownames(correlation)))
    det(correlation[at, at, drop = FALSE]) * det(correlation[-at, -at]) /
      det(correlation)
  })
}
