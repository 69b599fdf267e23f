#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define EASEL_RETURN_IF_ERROR(expr)                    \
  do {                                                 \
    if (absl::Status s_ = (expr); !s_.ok()) return s_; \
  } while (false)

#define EASEL_CONCAT_INNER(a, b) a##b
#define EASEL_CONCAT(a, b) EASEL_CONCAT_INNER(a, b)
// EASEL_ASSIGN_OR_RETURN(auto x, F()): x = *F(), or returns its status.
#define EASEL_ASSIGN_OR_RETURN(lhs, expr) \
  EASEL_ASSIGN_OR_RETURN_IMPL(EASEL_CONCAT(status_or_, __LINE__), lhs, expr)
#define EASEL_ASSIGN_OR_RETURN_IMPL(var, lhs, expr) \
  auto var = (expr);                                \
  if (!var.ok()) return var.status();               \
  lhs = *std::move(var)
