# Firth's estimates by brglm2, polished, and their penalised-likelihood intervals.

suppressPackageStartupMessages(library(brglm2))

#' Score of the penalised likelihood l(b) + log det I(b) / 2 (Firth 1993).
firth_score <- function(X, y, w, offset, b) {
  p <- plogis(drop(X %*% b) + offset)
  W <- w * p * (1 - p)
  information <- crossprod(X, W * X)
  h <- W * rowSums((X %*% solve(information)) * X)
  list(score = drop(crossprod(X, w * (y - p) + h * (1 / 2 - p))),
       information = information,
       value = sum(w * (y * log(p) + (1 - y) * log1p(-p))) +
         as.numeric(determinant(information)$modulus) / 2)
}

#' Climb the penalised likelihood over some of the coefficients, the others fixed.
firth_climb <- function(X, y, w, offset, b, free) {
  at <- firth_score(X, y, w, offset, b)
  for (k in 1:2000) {
    step <- solve(at$information[free, free, drop = FALSE], at$score[free])
    # steps that move a predictor by more than 2 can make the information singular
    size <- min(1, 2 / max(abs(X[, free, drop = FALSE] %*% step)))
    repeat {
      trial <- b
      trial[free] <- b[free] + size * step
      new <- firth_score(X, y, w, offset, trial)
      if (new$value >= at$value - 1e-12 * abs(at$value) || size < 1e-6) break
      size <- size / 2
    }
    b <- trial
    at <- new
    if (sqrt(abs(sum(at$score[free] * step))) < 1e-13) break
  }
  c(at, list(params = b))
}

#' Firth's fit; brglm2's own estimate must agree.
firth_values <- function(X, y, w = rep(1, length(y)), offset = rep(0, length(y)),
                         level = 0.95) {
  given <- brglm2::brglmFit(cbind(const = 1, as.matrix(X)), y, w, offset = offset,
                            family = binomial(),
                            control = list(type = "AS_mean", epsilon = 1e-12,
                                           maxit = 10000))
  Z <- cbind(const = 1, as.matrix(X))
  all <- seq_len(ncol(Z))
  best <- firth_climb(Z, y, w, offset, given$coefficients, all)
  V <- solve(best$information)
  bse <- sqrt(diag(V))
  stopifnot(max(abs(best$params - given$coefficients) / bse) < 1e-7,
            sqrt(drop(t(best$score) %*% V %*% best$score)) < 1e-10)
  # from the estimate in small steps: far from it the information may be singular
  constrained <- function(j, value) {
    b <- best$params
    n_steps <- ceiling(4 * abs(value - b[j]) / bse[j])
    for (at in seq(b[j], value, length.out = n_steps + 1)[-1]) {
      b[j] <- at
      found <- firth_climb(Z, y, w, offset, b, all[-j])
      b <- found$params
    }
    found
  }
  end <- function(j, sign) {
    excess <- function(value) {
      2 * (best$value - constrained(j, value)$value) - qchisq(level, 1)
    }
    far <- sqrt(qchisq(level, 1)) * bse[j]
    outer <- best$params[j] + sign * 1.3 * far
    while (excess(outer) < 0) outer <- outer + sign * 0.3 * far
    ends <- sort(c(best$params[j] + sign * 0.1 * far, outer))
    uniroot(excess, ends, tol = 1e-10 * bse[j], maxiter = 1000)$root
  }
  ratio <- function(j) 2 * (best$value - constrained(j, 0)$value)
  list(names = colnames(Z), params = unname(best$params), model = unname(V),
       penalised_llf = best$value, llf = best$value -
         as.numeric(determinant(best$information)$modulus) / 2,
       intervals = t(sapply(all, function(j) c(end(j, -1), end(j, 1)))),
       lr_statistics = sapply(all[-1], ratio))
}
