// What each conditioner makes of a prompt, a class, both and neither.
#include "model/conditioning/conditioner.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "tests/testing/tensor_matchers.h"

namespace easel {
namespace {

using ::testing::StartsWith;

// A token a byte (its low three bits), in prompts of six: start 8, end 9, padding 9.
class ByteTokenizer : public Tokenizer {
 public:
  Tokens Tokenize(std::string_view text) const override {
    Tokens tokens;
    tokens.cut = text.size() > 4 ? static_cast<int>(text.size() - 4) : 0;
    tokens.ids.push_back(8);
    for (char c : text.substr(0, 4)) tokens.ids.push_back(c & 7);
    tokens.ids.push_back(9);
    tokens.mask.assign(tokens.ids.size(), 1);
    tokens.ids.resize(6, 9);
    tokens.mask.resize(6, 0);
    return tokens;
  }
  int64_t max_length() const override { return 6; }
  int64_t vocab_size() const override { return 10; }
};

// hidden: the id, and whether it is attended to; pooled: their sum. Counts its calls.
class CountingEncoder : public TextEncoder {
 public:
  explicit CountingEncoder(int* calls, int64_t vocab_size = 10, int64_t max_length = 6)
      : calls_(calls), vocab_size_(vocab_size), max_length_(max_length) {}
  TextFeatures Forward(const at::Tensor& ids, const at::Tensor& mask) const override {
    ++*calls_;
    const at::Tensor attended = mask.defined() ? mask : at::ones_like(ids, at::kBool);
    const at::Tensor hidden = at::stack({ids.to(at::kFloat), attended.to(at::kFloat)}, -1);
    return {hidden, hidden.sum(1), {}};
  }
  int64_t vocab_size() const override { return vocab_size_; }
  int64_t max_length() const override { return max_length_; }
  int64_t width() const override { return 2; }
  at::TensorOptions options() const override { return at::kFloat; }

 private:
  int* const calls_;
  const int64_t vocab_size_, max_length_;
};

EncodedCondition Encode(const Conditioner& conditioner, const ConditionRequest& request) {
  const auto tokenized = conditioner.Tokenize(request);
  EXPECT_TRUE(tokenized.ok()) << tokenized.status();
  return conditioner.Encode(*tokenized);
}

int64_t Label(const EncodedCondition& encoded) { return encoded.row.label.item<int64_t>(); }

std::string Refusal(const Conditioner& conditioner, const ConditionRequest& request) {
  return std::string(conditioner.Tokenize(request).status().message());
}

class TextConditionerTest : public testing::Test {
 protected:
  std::unique_ptr<Conditioner> Text(MaskToEncoder mask = MaskToEncoder::kYes) {
    return *MakeTextConditioner(std::make_unique<ByteTokenizer>(), std::make_unique<CountingEncoder>(&calls_),
                                mask);
  }
  std::unique_ptr<Conditioner> Easel(int64_t num_classes) {
    return *MakeEaselConditioner(std::make_unique<ByteTokenizer>(),
                                 std::make_unique<CountingEncoder>(&calls_), num_classes, at::kCPU);
  }
  int calls_ = 0;
};

TEST(Unconditional, DefinesNothingAndTakesNothing) {
  const auto conditioner = MakeUnconditional();
  const Conditioning row = Encode(*conditioner, {}).row;
  EXPECT_FALSE(row.text.defined() || row.text_mask.defined() || row.pooled.defined() || row.label.defined());
  EXPECT_FALSE(conditioner->takes_prompt() || conditioner->takes_class());
  EXPECT_THAT(Refusal(*conditioner, {"a cat", {}}), StartsWith("prompt:"));
  EXPECT_THAT(Refusal(*conditioner, {{}, 0}), StartsWith("class_label:"));
}

TEST(ClassConditioner, GivesTheClassOrTheNullClass) {
  const auto conditioner = MakeClassConditioner(3, at::kCPU);
  EXPECT_TRUE(conditioner->takes_class());
  EXPECT_EQ(Label(Encode(*conditioner, {{}, 2})), 2);
  EXPECT_EQ(Label(Encode(*conditioner, {})), 3);
  EXPECT_EQ(Encode(*conditioner, {}).row.label.sizes(), at::IntArrayRef({1}));
  EXPECT_THAT(Refusal(*conditioner, {{}, 3}), StartsWith("class_label: 3 "));
  EXPECT_THAT(Refusal(*conditioner, {{}, -1}), StartsWith("class_label: -1 "));
  EXPECT_THAT(Refusal(*conditioner, {"a cat", {}}), StartsWith("prompt:"));
}

TEST_F(TextConditionerTest, GivesHiddenStatesAndMask) {
  const auto conditioner = Text();
  EXPECT_EQ(conditioner->max_prompt_tokens(), 6);
  const Conditioning row = Encode(*conditioner, {"ab", {}}).row;
  const at::Tensor mask = at::tensor({1, 1, 1, 1, 0, 0}).to(at::kBool).unsqueeze(0);
  EXPECT_TRUE(SameBytes(row.text_mask, mask));
  EXPECT_TRUE(
      SameBytes(row.text.select(2, 0), at::tensor({8., 1., 2., 9., 9., 9.}, at::kFloat).unsqueeze(0)));
  EXPECT_TRUE(SameBytes(row.text.select(2, 1), mask.to(at::kFloat)));
  EXPECT_FALSE(row.pooled.defined() || row.label.defined());
  EXPECT_THAT(Refusal(*conditioner, {{}, 0}), StartsWith("class_label:"));
}

TEST_F(TextConditionerTest, KeepsTheMaskFromTheEncoderWhenToldSo) {
  const Conditioning row = Encode(*Text(MaskToEncoder::kNo), {"ab", {}}).row;
  EXPECT_TRUE(SameBytes(row.text.select(2, 1), at::ones({1, 6})));
  EXPECT_EQ(row.text_mask.sum().item<int64_t>(), 4);
}

TEST_F(TextConditionerTest, IsUnconditionalAsTheEmptyPrompt) {
  const auto conditioner = Text();
  EXPECT_TRUE(SameBytes(Encode(*conditioner, {}).row.text, Encode(*conditioner, {"", {}}).row.text));
}

TEST_F(TextConditionerTest, SaysHowMuchWasCut) {
  EXPECT_EQ(Text()->Tokenize({"abcdefg", {}})->tokens_cut(), 3);
}

TEST_F(TextConditionerTest, EncodesAPromptOnce) {
  const auto conditioner = Text();
  const EncodedCondition first = Encode(*conditioner, {"ab", {}}), again = Encode(*conditioner, {"ab", {}});
  EXPECT_FALSE(first.cache_hit);
  EXPECT_TRUE(again.cache_hit);
  EXPECT_EQ(calls_, 1);
  EXPECT_TRUE(SameBytes(again.row.text, first.row.text));
  EXPECT_FALSE(Encode(*conditioner, {"ba", {}}).cache_hit);
  EXPECT_EQ(calls_, 2);
}

TEST_F(TextConditionerTest, RefusesPartsThatDoNotFit) {
  auto with = [&](int64_t vocab_size, int64_t max_length) {
    return MakeTextConditioner(std::make_unique<ByteTokenizer>(),
                               std::make_unique<CountingEncoder>(&calls_, vocab_size, max_length),
                               MaskToEncoder::kYes);
  };
  EXPECT_TRUE(with(10, 6).ok());
  EXPECT_FALSE(with(9, 6).ok());
  EXPECT_FALSE(with(10, 5).ok());
}

TEST_F(TextConditionerTest, EaselRowsOfAllKindsGoTogether) {
  const auto conditioner = Easel(3);
  EXPECT_TRUE(conditioner->takes_prompt() && conditioner->takes_class());
  const EncodedCondition prompt = Encode(*conditioner, {"ab", {}}), label = Encode(*conditioner, {{}, 1}),
                         both = Encode(*conditioner, {"ab", 2}), neither = Encode(*conditioner, {});
  EXPECT_EQ(calls_, 1);  // neither a class nor nothing is a prompt
  const Conditioning batch = Concatenate({prompt.row, label.row, both.row, neither.row});
  EXPECT_TRUE(SameBytes(batch.label, at::tensor({3, 1, 2, 3}, at::kLong)));
  EXPECT_TRUE(SameBytes(batch.text_mask.sum(1), at::tensor({4, 0, 4, 0}, at::kLong)));
  EXPECT_TRUE(SameBytes(batch.text[2], prompt.row.text[0]));
  EXPECT_TRUE(SameBytes(batch.pooled[0], prompt.row.text[0].sum(0)));
  for (int64_t row : {1, 3}) {
    EXPECT_EQ(batch.text[row].abs().max().item<double>(), 0);
    EXPECT_EQ(batch.pooled[row].abs().max().item<double>(), 0);
  }
}

TEST_F(TextConditionerTest, EaselMayHaveNoClasses) {
  const auto conditioner = Easel(0);
  EXPECT_FALSE(conditioner->takes_class());
  EXPECT_EQ(Label(Encode(*conditioner, {"ab", {}})), 0);
  EXPECT_THAT(Refusal(*conditioner, {{}, 0}), StartsWith("class_label:"));
}

TEST(EaselConditioner, MayHaveNoText) {
  const auto conditioner = *MakeEaselConditioner(nullptr, nullptr, 3, at::kCPU);
  const Conditioning row = Encode(*conditioner, {{}, 1}).row;
  EXPECT_EQ(row.label.item<int64_t>(), 1);
  EXPECT_FALSE(row.text.defined() || row.text_mask.defined() || row.pooled.defined());
  EXPECT_THAT(Refusal(*conditioner, {"a cat", {}}), StartsWith("prompt:"));
}

}  // namespace
}  // namespace easel
