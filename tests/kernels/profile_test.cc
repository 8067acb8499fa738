#include "kernels/profile.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string>

#include "kernels/lstm.h"
#include "kernels/product.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void spend(double seconds) {
  const auto start = Clock::now();
  while (since(start) < seconds) {
  }
}

const Profile::Entry& entry_of(const Profile& profile, const std::string& operation) {
  for (const Profile::Entry& entry : profile.entries()) {
    if (entry.operation == operation) return entry;
  }
  throw std::out_of_range(operation);
}

TEST(Profile, TimeInsideAnotherOperationIsTheOthers) {
  Context context;
  Profile profile;
  context.set_profile(&profile);
  const auto start = Clock::now();
  {
    const Timed outer(context, "outer");
    spend(0.004);
    for (int i = 0; i < 2; ++i) {
      const Timed inner(context, "inner");
      spend(0.020);
    }
  }
  const double seconds = since(start);
  const Profile::Entry& outer = entry_of(profile, "outer");
  const Profile::Entry& inner = entry_of(profile, "inner");
  EXPECT_EQ(outer.calls, 1);
  EXPECT_EQ(inner.calls, 2);
  EXPECT_GE(outer.seconds, 0.004);
  EXPECT_GE(inner.seconds, 0.040);
  EXPECT_LE(outer.seconds + inner.seconds, seconds);
}

TEST(Profile, CountsTheMultiplyAddsOfEachSizeOfProduct) {
  Context context;
  const Tensor x = context.allocate({5, 32});
  const Tensor out = context.allocate({5, 48});
  const std::vector<float> values(48 * 32);
  const PackedWeights wide = pack_weights(context, ConstMatrix(values.data(), 48, 32));
  const PackedWeights narrow = pack_weights(context, ConstMatrix(values.data(), 16, 32));
  Profile profile;
  context.set_profile(&profile);
  for (int i = 0; i < 3; ++i) product(context, ConstMatrix(x), wide, {}, out);
  product(context, ConstMatrix(x), narrow, {}, out.matrix().columns_from(0, 16));
  product(context, ConstMatrix(x), wide, {}, out, {16, 16});
  context.set_profile(nullptr);
  product(context, ConstMatrix(x), wide, {}, out);
  ASSERT_EQ(profile.entries().size(), 2U);
  const Profile::Entry& first = profile.entries()[0];
  EXPECT_EQ(first.inputs, 32);
  EXPECT_EQ(first.outputs, 48);
  EXPECT_EQ(first.calls, 4);
  EXPECT_EQ(first.multiply_adds, 5 * 32 * (3 * 48 + 16));
  EXPECT_EQ(profile.entries()[1].multiply_adds, 5 * 32 * 16);
}

TEST(Profile, AnLstmTellsItsRecurrentProductApart) {
  Context context;
  const std::vector<float> input(64 * 8);
  const std::vector<float> hidden(64 * 16);
  const std::vector<float> bias(64);
  const PackedLstm weights = pack_lstm(context, {input.data(), 64, 8}, {hidden.data(), 64, 16}, bias, bias, DType::f32);
  LstmState state = start_lstm(context, weights, 1);
  const Tensor x = context.allocate({7, 8});
  const Tensor out = context.allocate({7, 16});
  Profile profile;
  context.set_profile(&profile);
  lstm(context, x, 1, weights, state, out);
  EXPECT_EQ(entry_of(profile, "LSTM").multiply_adds, 7 * 16 * 64);
  EXPECT_EQ(entry_of(profile, "product").multiply_adds, 7 * 8 * 64);
}

}  // namespace
}  // namespace tessera
