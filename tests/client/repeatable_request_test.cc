#include "client/repeatable_request.h"

#include <gtest/gtest.h>

namespace easel {
namespace {

// 1, 2, 3 ...
std::function<uint64_t()> Counting() {
  return [number = uint64_t{0}]() mutable { return ++number; };
}

TEST(Repeatable, GivesARequestANameAndASeed) {
  v1::GenerateRequest request;
  request.set_prompt("red");
  const v1::GenerateRequest sent = Repeatable(request, Counting());
  EXPECT_EQ(sent.prompt(), "red");
  EXPECT_EQ(sent.seed(), 1u);
  EXPECT_EQ(sent.request_id().size(), 32u);
  request.set_seed(0);
  EXPECT_EQ(Repeatable(request, Counting()).seed(), 0u);
}

TEST(Repeatable, TwoRequestsHaveTwoNames) {
  const auto random = Counting();
  EXPECT_NE(Repeatable({}, random).request_id(), Repeatable({}, random).request_id());
}

TEST(Repeatable, WhatItsCallerNamedStaysAsItIs) {
  v1::GenerateRequest request;
  request.set_prompt("red");
  request.set_request_id("order-17");
  EXPECT_EQ(Repeatable(request, Counting()).SerializeAsString(), request.SerializeAsString());
}

}  // namespace
}  // namespace easel
