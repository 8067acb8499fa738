#pragma once

#include <gtest/gtest.h>

#include "model/draft.h"
#include "model/generate.h"
#include "tests/model/golden.h"

namespace tessera {

inline std::filesystem::path small_model() { return TESSERA_SOURCE_DIR "/tests/golden/decoder/llama_tied_f16"; }

/// A checkpoint, loaded; drafts are null where it has none.
struct Model {
  explicit Model(const std::filesystem::path& folder, int threads = 2)
      : context(ContextOptions{Device{}, threads, {}}),
        decoder(load_decoder(context, folder)),
        drafts(load_drafts(context, folder, *decoder)) {}
  Context context;
  std::unique_ptr<Decoder> decoder;
  std::unique_ptr<DraftModel> drafts;
};

/// What came of a prompt.
struct Result {
  Ids ids;
  std::vector<double> log_probabilities;
  std::vector<double> prompt_scores;
  friend bool operator==(const Result&, const Result&) = default;
};

inline Result result_of(const Generation& g) {
  return {{g.generated().begin(), g.generated().end()}, g.log_probabilities(), g.prompt_scores()};
}

inline Result run(Model& model, const Ids& prompt, const GenerateOptions& options) {
  Generation g(model.context, *model.decoder, model.drafts.get(), prompt, options);
  Ids told;
  generate(model.context, *model.decoder, g, [&](std::int32_t id) { return told.push_back(id), true; });
  Result result = result_of(g);
  EXPECT_EQ(told, result.ids);
  return result;
}

}  // namespace tessera
