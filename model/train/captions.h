// What a training picture is called this time.
#pragma once

#include <random>
#include <string>

#include "model/train/emoji_dataset.h"

namespace easel {

// The shares of the kinds of caption; what is left of 1 is keywords alone.
struct CaptionShares {
  double name = 0.70;
  double name_and_keywords = 0.18;  // one or two of them
};

// Immutable; the randomness is the caller's generator, so that a run resumes where it stopped.
class CaptionSampler {
 public:
  explicit CaptionSampler(CaptionShares shares = {}) : shares_(shares) {}

  // Lower case, words apart by one space, for example "red apple", "red apple fruit", "fruit apple". Keywords
  // alone are one to three. The name alone when the picture has no keywords.
  std::string Sample(const EmojiPicture& picture, std::mt19937_64& random) const;

 private:
  CaptionShares shares_;
};

}  // namespace easel
