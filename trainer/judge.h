// Judge: a second model, trained by itself, that says in words what items of another modality show.
//
// It answers what the first model made as if it were data, greedily and in one pass, so that an
// image is scored by what can be read from it and not pixel by pixel.
#pragma once

#include "model/model.h"
#include "trainer/generate.h"
#include "trainer/stage.h"

namespace ortho {

class Judge {
 public:
  // Each rank holds all of the model: Error(usage) where the mesh cuts more than the batch, where
  // the stage has no objective one_shot, or where the model answers no text.
  Judge(Model<float>& model, const Vocabulary& vocabulary, const Stage& stage);

  // What it calls each item, in text tokens of its own vocabulary; nothing for an empty item. Asks
  // no other rank. Error(usage) for items that do not fit the judge's window.
  Prompts words_of(const Prompts& items) const;

 private:
  Prompts numbered_anew(const Prompts& items, std::span<const size_t> which) const;

  Model<float>& model_;
  GenerateRule rule_;
};

}  // namespace ortho
