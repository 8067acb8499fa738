// Decoders against transformers' log-probabilities and greedy continuations, and against themselves: the same bits
// whatever the chunks, the company in a batch, the threads, the instruction set and the device.

#include "model/decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "kernels/cuda/runtime.h"
#include "kernels/search.h"
#include "tests/emulation/memory.h"
#include "tests/model/golden.h"
#include "tests/sanitized.h"

namespace tessera {
namespace {

// A greedy step may differ where the two best log-probabilities are closer than this.
constexpr float kNearTie = 4e-4F;

std::vector<Case> cases() { return cases_of("decoder"); }

std::vector<ContextOptions> settings() {
  std::vector<ContextOptions> all;
  for (const Isa isa : supported_isas()) {
    for (const int threads : {1, 3}) all.push_back({Device{}, threads, isa});
  }
  if (cuda::device_memory != nullptr) all.push_back({Device{Device::Kind::cuda, 0}, 1, {}});
  return all;
}

std::string name_of_setting(const Context& context) {
  return (context.device().is_cuda() ? std::string("cuda") : name_of(context.isa())) + " x" +
         std::to_string(context.threads());
}

class DecoderGolden : public testing::TestWithParam<Case> {};

TEST_P(DecoderGolden, LogProbabilitiesAreTheReferences) {
  const Golden golden(GetParam());
  Context context({Device{}, 2, {}});
  const auto decoder = load_decoder(context, GetParam().folder);
  const std::int64_t vocabulary = decoder->config().vocabulary;
  const auto prompts = golden.prompts();
  ASSERT_FALSE(prompts.empty());
  double worst = 0;
  for (std::size_t n = 0; n < prompts.size(); ++n) {
    const Ids& ids = prompts[n];
    const auto scores = golden.values<float>("scores." + std::to_string(n));
    const auto last = golden.values<float>("last." + std::to_string(n));
    ASSERT_EQ(scores.size() + 1, ids.size());
    ASSERT_EQ(static_cast<std::int64_t>(last.size()), vocabulary);
    Sequence sequence = decoder->start(context, static_cast<std::int64_t>(ids.size()));
    const auto logits = host(context, decoder->forward(context, sequence, ids, LogitRows::all));
    ASSERT_EQ(static_cast<std::int64_t>(logits.size()), vocabulary * static_cast<std::int64_t>(ids.size()));
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto table = log_probabilities(logits.data() + static_cast<std::int64_t>(i) * vocabulary, vocabulary);
      if (i + 1 < ids.size()) worst = std::max(worst, std::abs(table[ids[i + 1]] - scores[i]));
      if (i + 1 < ids.size()) continue;
      for (std::size_t id = 0; id < table.size(); ++id) worst = std::max(worst, std::abs(table[id] - last[id]));
    }
  }
  EXPECT_LT(worst, kTolerance);
  RecordProperty("worst", std::to_string(worst));
  std::printf("    log-probabilities off by at most %.2g\n", worst);
}

TEST_P(DecoderGolden, GreedyIdsAreTheReferences) {
  const Golden golden(GetParam());
  Context context({Device{}, 2, {}});
  const auto decoder = load_decoder(context, GetParam().folder);
  const auto prompts = golden.prompts();
  for (std::size_t n = 0; n < prompts.size(); ++n) {
    const auto expected = golden.values<std::int32_t>("greedy." + std::to_string(n));
    const auto margins = golden.values<float>("greedy_margin." + std::to_string(n));
    ASSERT_FALSE(expected.empty());
    Sequence sequence = decoder->start(context, static_cast<std::int64_t>(prompts[n].size() + expected.size()));
    Ids next = prompts[n];
    for (std::size_t step = 0; step < expected.size(); ++step) {
      const Tensor logits = decoder->forward(context, sequence, next, LogitRows::last);
      std::int32_t id = -1;
      argmax_rows(context, logits, &id);
      if (id != expected[step] && margins[step] < kNearTie) {
        std::printf("    step %zu: %d, not %d, margin %.2g\n", step, id, expected[step], margins[step]);
        break;
      }
      ASSERT_EQ(id, expected[step]) << "sequence " << n << ", step " << step << ", margin " << margins[step];
      next = {id};
    }
  }
}

// Logits of all positions, in pieces of the sizes that `piece` gives.
template <class Piece>
std::vector<float> in_pieces(Context& context, const Decoder& decoder, const Ids& ids, const Piece& piece) {
  Sequence sequence = decoder.start(context, static_cast<std::int64_t>(ids.size()));
  std::vector<float> all;
  for (std::size_t at = 0; at < ids.size();) {
    const std::size_t count = std::min<std::size_t>(piece(), ids.size() - at);
    const auto part =
        host(context, decoder.forward(context, sequence, std::span(ids).subspan(at, count), LogitRows::all));
    all.insert(all.end(), part.begin(), part.end());
    at += count;
  }
  return all;
}

// All prompts together, `step` ids of each at a time; the logits of each.
std::vector<std::vector<float>> together(Context& context, const Decoder& decoder, const std::vector<Ids>& prompts,
                                         std::size_t step) {
  std::vector<Sequence> sequences;
  for (const Ids& ids : prompts) sequences.push_back(decoder.start(context, static_cast<std::int64_t>(ids.size())));
  std::vector<std::vector<float>> all(prompts.size());
  const auto width = static_cast<std::size_t>(decoder.config().vocabulary);
  for (std::size_t at = 0;; at += step) {
    std::vector<Feed> batch;
    std::vector<std::size_t> owners;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      if (at >= prompts[i].size()) continue;
      batch.push_back({&sequences[i], std::span(prompts[i]).subspan(at, std::min(step, prompts[i].size() - at))});
      owners.push_back(i);
    }
    if (batch.empty()) return all;
    const auto logits = host(context, decoder.forward(context, batch, LogitRows::all));
    auto from = logits.begin();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto to = from + static_cast<std::ptrdiff_t>(batch[i].ids.size() * width);
      all[owners[i]].insert(all[owners[i]].end(), from, to);
      from = to;
    }
  }
}

// Prompts of any ids, some longer than what runs at once, so that rings wrap and pieces straddle.
std::vector<Ids> strangers(const Decoder& decoder) {
  std::vector<Ids> all;
  std::uint32_t state = 7;
  for (const std::size_t length : {37, 1, 20, 290}) {
    Ids& ids = all.emplace_back();
    while (ids.size() < length) {
      state = state * 1664525 + 1013904223;
      ids.push_back(static_cast<std::int32_t>((state >> 8) % static_cast<std::uint32_t>(decoder.config().vocabulary)));
    }
  }
  return all;
}

void expect_same_bits(const std::vector<float>& expected, const std::vector<float>& got, const std::string& where) {
  ASSERT_EQ(expected.size(), got.size()) << where;
  EXPECT_EQ(std::memcmp(expected.data(), got.data(), expected.size() * sizeof(float)), 0) << where;
}

void expect_same_bits_by_any_route(const std::filesystem::path& folder, WeightStorage weights) {
  std::vector<std::vector<float>> expected;
  for (ContextOptions options : settings()) {
    options.weights = weights;
    Context context(options);
    const std::string where = name_of_setting(context);
    const auto decoder = load_decoder(context, folder);
    std::vector<Ids> prompts = strangers(*decoder);
    if (context.device().is_cuda() || kSanitized) prompts.pop_back();  // they take their time
    if (expected.empty()) {
      const auto whole = [] { return std::size_t{100000}; };
      for (const Ids& ids : prompts) expected.push_back(in_pieces(context, *decoder, ids, whole));
    }
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      if (i < 3)
        expect_same_bits(expected[i], in_pieces(context, *decoder, prompts[i], [] { return 1; }),
                         where + " one by one");
      std::size_t size = 1;
      const auto odd = in_pieces(context, *decoder, prompts[i], [&] { return size = size * 7 % 53 + 1; });
      expect_same_bits(expected[i], odd, where + " in odd pieces");
    }
    for (const std::size_t step : {5, 1000}) {
      const auto batched = together(context, *decoder, prompts, step);
      for (std::size_t i = 0; i < prompts.size(); ++i) {
        expect_same_bits(expected[i], batched[i], where + " among strangers");
      }
    }
  }
}

TEST_P(DecoderGolden, AnyRouteGivesTheSameBits) {
  expect_same_bits_by_any_route(GetParam().folder, WeightStorage::stored);
}

// What runs at once is 512 rows: pieces of a batch are cut in the middle of a sequence.
TEST_P(DecoderGolden, LongBatchesAreCut) {
  Context context({Device{}, 2, {}});
  const auto decoder = load_decoder(context, GetParam().folder);
  std::vector<Ids> prompts = strangers(*decoder);
  prompts.push_back(prompts.back());
  std::reverse(prompts.back().begin(), prompts.back().end());
  std::vector<Sequence> sequences;
  std::vector<Feed> batch;
  for (const Ids& ids : prompts) sequences.push_back(decoder->start(context, static_cast<std::int64_t>(ids.size())));
  for (std::size_t i = 0; i < prompts.size(); ++i) batch.push_back({&sequences[i], prompts[i]});
  const auto last = host(context, decoder->forward(context, batch, LogitRows::last));
  const auto width = static_cast<std::size_t>(decoder->config().vocabulary);
  ASSERT_EQ(last.size(), width * prompts.size());
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_EQ(sequences[i].length(), static_cast<std::int64_t>(prompts[i].size()));
    Sequence alone = decoder->start(context, static_cast<std::int64_t>(prompts[i].size()));
    const auto expected = host(context, decoder->forward(context, alone, prompts[i], LogitRows::last));
    EXPECT_EQ(std::memcmp(expected.data(), last.data() + i * width, width * sizeof(float)), 0) << "sequence " << i;
  }
}

// Experts of a step are chosen where the step runs.
TEST_P(DecoderGolden, AStepOnADeviceWaitsForNothing) {
  if (cuda::emulated_downloads == nullptr) GTEST_SKIP() << "needs the emulated device";
  Context context({Device{Device::Kind::cuda, 0}, 1, {}});
  const auto decoder = load_decoder(context, GetParam().folder);
  Sequence sequence = decoder->start(context, 40);
  const Ids ids(16, 3);
  const std::int64_t before = cuda::emulated_downloads();
  for (const std::size_t rows : {1, 2, 16}) {
    (void)decoder->forward(context, sequence, std::span(ids).first(rows), LogitRows::all);
  }
  EXPECT_EQ(cuda::emulated_downloads(), before);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, DecoderGolden, testing::ValuesIn(cases()), case_name);

std::vector<std::filesystem::path> quantisable() {
  std::vector<std::filesystem::path> folders;
  for (const char* name : {"qwen3_f32", "mimo_v2_hybrid_bf16", "deepseek_v3_plain_f16"}) {
    folders.push_back(cases().front().folder.parent_path() / name);
  }
  return folders;
}

TEST(QuantisedDecoder, AnyRouteGivesTheSameBits) {
  for (const auto& folder : quantisable()) {
    for (const WeightStorage weights : {WeightStorage::int8, WeightStorage::int4}) {
      SCOPED_TRACE(folder.string() + " " + name_of(weights));
      expect_same_bits_by_any_route(folder, weights);
    }
  }
}

// Mean distance of the prompts' log-probabilities from those of weights as stored.
double distance_from_stored(const std::filesystem::path& folder, WeightStorage weights) {
  const auto prompts = Golden({folder}).prompts();
  double sum = 0;
  std::size_t count = 0;
  ContextOptions options{Device{}, 2, {}};
  Context stored_context(options);
  options.weights = weights;
  Context context(options);
  const auto stored = load_decoder(stored_context, folder);
  const auto decoder = load_decoder(context, folder);
  const std::int64_t width = decoder->config().vocabulary;
  const auto whole = [] { return std::size_t{100000}; };
  for (const Ids& ids : prompts) {
    const auto expected = in_pieces(stored_context, *stored, ids, whole);
    const auto got = in_pieces(context, *decoder, ids, whole);
    for (std::size_t i = 0; i + 1 < ids.size(); ++i, ++count) {
      const std::size_t row = i * static_cast<std::size_t>(width);
      const auto next = static_cast<std::size_t>(ids[i + 1]);
      sum += std::abs(log_probabilities(expected.data() + row, width)[next] -
                      log_probabilities(got.data() + row, width)[next]);
    }
  }
  return sum / static_cast<double>(count);
}

TEST(QuantisedDecoder, MoreBitsAreNearer) {
  for (const auto& folder : quantisable()) {
    const double eight = distance_from_stored(folder, WeightStorage::int8);
    const double four = distance_from_stored(folder, WeightStorage::int4);
    std::printf("    %s: log-probabilities %.4f off with 8 bits, %.4f with 4\n", folder.filename().c_str(), eight,
                four);
    EXPECT_GT(eight, 0);
    EXPECT_LT(eight, four / 4);
  }
}

TEST(Decoder, RefusesWhatDoesNotFit) {
  Context context;
  const auto decoder = load_decoder(context, cases().front().folder);
  Sequence sequence = decoder->start(context, 3);
  const auto forward = [&](const Ids& ids) {
    return host(context, decoder->forward(context, sequence, ids, LogitRows::last));
  };
  EXPECT_THROW((void)forward({}), ArgumentError);
  EXPECT_THROW((void)forward({-1}), ArgumentError);
  EXPECT_THROW((void)forward({static_cast<std::int32_t>(decoder->config().vocabulary)}), ArgumentError);
  EXPECT_THROW((void)forward({0, 1, 2, 3}), ArgumentError);
  const Ids ids{1, 2};
  const std::vector<Feed> twice{{&sequence, ids}, {&sequence, ids}};
  EXPECT_THROW((void)decoder->forward(context, twice, LogitRows::last), ArgumentError);
  EXPECT_EQ(sequence.length(), 0);
  EXPECT_NO_THROW((void)forward({0, 1}));
  EXPECT_THROW((void)forward({0, 1}), ArgumentError);
  EXPECT_EQ(sequence.length(), 2);
  EXPECT_THROW((void)decoder->start(context, 0), ArgumentError);
}

}  // namespace
}  // namespace tessera
