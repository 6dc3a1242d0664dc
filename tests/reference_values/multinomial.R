# Three and more classes by nnet::multinom, polished: housing, alligators, cirrhosis.
#
# Run in this directory: Rscript multinomial.R

program <- "multinomial.R"
source("cases.R")
suppressPackageStartupMessages({
  library(nnet)
  library(MASS)
})

#' Log-likelihood, score and information of a softmax model, reference class first.
softmax <- function(B, Z, Y, w) {
  eta <- cbind(0, Z %*% t(B))
  eta <- eta - apply(eta, 1, max)
  P <- exp(eta)
  P <- P / rowSums(P)
  E <- nrow(B)
  score <- t(w * (Y - P)[, -1, drop = FALSE]) %*% Z
  m <- ncol(Z)
  information <- matrix(0, E * m, E * m)
  for (k in 1:E) for (l in 1:E) {
    v <- w * P[, k + 1] * ((k == l) - P[, l + 1])
    information[(k - 1) * m + 1:m, (l - 1) * m + 1:m] <- crossprod(Z, v * Z)
  }
  list(P = P, score = c(t(score)), information = information,
       llf = sum(w * log(rowSums(Y * P))))
}

#' multinom's fit, taken to the optimum by Newton steps of our own.
values_of <- function(X, y, w = rep(1, length(y))) {
  Z <- cbind(const = 1, as.matrix(X))
  y <- factor(y)
  fit <- multinom(y ~ ., X, weights = w, trace = FALSE, maxit = 10000, reltol = 1e-15,
                  abstol = 1e-15, Hess = FALSE)
  B <- matrix(coef(fit), nlevels(y) - 1)
  Y <- outer(as.integer(y), seq_len(nlevels(y)), "==") + 0
  for (k in 1:20) {
    at <- softmax(B, Z, Y, w)
    step <- solve(at$information, at$score)
    B <- B + matrix(step, nrow(B), byrow = TRUE)
    if (sum(step * at$score) < 1e-26) break
  }
  at <- softmax(B, Z, Y, w)
  left <- sum(at$score * solve(at$information, at$score))
  stopifnot(left < 1e-20, max(abs(B - coef(fit))) < 1e-2 * max(abs(B)),
            abs(at$llf - as.numeric(logLik(fit))) < 1e-5)
  V <- solve(at$information)
  counts <- colSums(w * Y)
  # scores of single rows, class after class; weights repeat rows
  residual <- (Y - at$P)[, -1, drop = FALSE]
  scores <- do.call(cbind, lapply(seq_len(ncol(residual)), function(k) residual[, k] * Z))
  HC0 <- V %*% crossprod(scores, w * scores) %*% V
  list(classes = levels(y), names = colnames(Z), params = unname(B), model = unname(V),
       HC0 = unname(HC0), HC1 = unname(HC0) * sum(w) / (sum(w) - length(B)),
       llf = at$llf, llnull = sum(counts * log(counts / sum(counts))),
       nobs = sum(w), aic = 2 * length(B) - 2 * at$llf,
       bic = log(sum(w)) * length(B) - 2 * at$llf,
       predicted = unname(at$P))
}

packages <- "nnet"

# housing: 1681 tenants in 72 cells with frequencies, three ordered classes
raw <- MASS::housing
X <- cbind(indicators(factor(raw$Infl, ordered = FALSE), "influence_"),
           indicators(raw$Type, "type_"), indicators(raw$Cont, "contact_"))
y <- as.character(raw$Sat)
write_case("housing", "R package MASS, housing (Madsen 1976)", "GPL-2 | GPL-3",
           "1681 tenants in 72 cells, weights are frequencies; satisfaction",
           list(X = X, y = y, weights = raw$Freq), list(fit = values_of(X, y, raw$Freq)),
           packages)

# alligators: 219 animals, five foods, some cells empty
raw <- brglm2::alligators
X <- cbind(indicators(raw$lake, "lake_"), large = as.integer(raw$size == ">2.3"),
           male = as.integer(raw$gender == "Male"))
y <- as.character(raw$foodchoice)
write_case("alligators", "R package brglm2, alligators (Agresti 2002)", "GPL-3",
           "219 alligators in 80 cells, weights are frequencies; main food",
           list(X = X, y = y, weights = raw$freq), list(fit = values_of(X, y, raw$freq)),
           packages)

# cirrhosis: outcome of 418 patients, columns of very different scale, codes as labels
raw <- survival::pbc
X <- data.frame(age = raw$age, female = as.integer(raw$sex == "f"), edema = raw$edema,
                bili = raw$bili, albumin = raw$albumin, protime = raw$protime,
                days = raw$time)
kept <- complete.cases(X)
X <- X[kept, ]
X$age <- round(X$age, 6)
y <- raw$status[kept]
write_case("cirrhosis", "R package survival, pbc (Therneau and Grambsch 2000)",
           "LGPL (>= 2)",
           "416 patients: 0 alive, 1 transplanted, 2 dead at the end of the study",
           list(X = X, y = y), list(fit = values_of(X, y)), packages)

# stage: four classes, the first of them rare
raw <- survival::pbc[!is.na(survival::pbc$stage) & !is.na(survival::pbc$platelet), ]
X <- data.frame(age = round(raw$age, 6), log_bili = round(log(raw$bili), 8),
                albumin = raw$albumin, platelet = raw$platelet)
write_case("stage", "R package survival, pbc (Therneau and Grambsch 2000)",
           "LGPL (>= 2)", "histological stage, 1 to 4, of 401 patients",
           list(X = X, y = raw$stage), list(fit = values_of(X, raw$stage)), packages)
