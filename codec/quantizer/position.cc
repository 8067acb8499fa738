#include "codec/quantizer/position.h"

#include "codec/quantizer/unit_rows.h"
#include "kernels/embedding.h"
#include "kernels/norm.h"
#include "kernels/scalar_codes.h"
#include "kernels/search.h"

namespace tessera {
namespace {

class CodebookQuantizer final : public PositionQuantizer {
 public:
  CodebookQuantizer(Codebook codebook, Search search) : codebook_(std::move(codebook)), search_(search) {}

  [[nodiscard]] int size() const override { return static_cast<int>(codebook_.size()); }
  [[nodiscard]] std::int64_t width() const override { return codebook_.width(); }
  void encode(Context& context, Matrix x, std::int32_t* codes) const override {
    if (search_ == Search::cosine) l2_normalize(context, x, kLeastNorm, x);
    nearest_codes(context, x, codebook_, codes);
  }
  void decode(Context& context, const std::int32_t* codes, Matrix out) const override {
    embedding(context, codebook_.entries, codes, out);
  }

 private:
  Codebook codebook_;
  Search search_;
};

class FiniteScalarQuantizer final : public PositionQuantizer {
 public:
  FiniteScalarQuantizer(Context& context, const std::vector<int>& levels)
      : scalars_(pack_finite_scalars(context, levels)) {}

  [[nodiscard]] int size() const override { return static_cast<int>(scalars_.size()); }
  [[nodiscard]] std::int64_t width() const override { return scalars_.columns(); }
  void encode(Context& context, Matrix x, std::int32_t* codes) const override {
    finite_scalar_codes(context, x, scalars_, codes);
  }
  void decode(Context& context, const std::int32_t* codes, Matrix out) const override {
    embedding(context, scalars_.entries, codes, out);
  }

 private:
  FiniteScalars scalars_;
};

class SignQuantizer final : public PositionQuantizer {
 public:
  SignQuantizer(Context& context, std::int64_t bits, bool first_is_lowest)
      : entries_(sign_entries(context, bits, first_is_lowest)), first_is_lowest_(first_is_lowest) {}

  [[nodiscard]] int size() const override { return static_cast<int>(entries_.dim(0)); }
  [[nodiscard]] std::int64_t width() const override { return entries_.dim(1); }
  void encode(Context& context, Matrix x, std::int32_t* codes) const override {
    sign_codes(context, x, first_is_lowest_, codes);
  }
  void decode(Context& context, const std::int32_t* codes, Matrix out) const override {
    embedding(context, entries_, codes, out);
  }

 private:
  Tensor entries_;
  bool first_is_lowest_;
};

}  // namespace

std::unique_ptr<PositionQuantizer> make_finite_scalar_quantizer(Context& context, const std::vector<int>& levels) {
  return std::make_unique<FiniteScalarQuantizer>(context, levels);
}

std::unique_ptr<PositionQuantizer> make_sign_quantizer(Context& context, std::int64_t bits, bool first_is_lowest) {
  return std::make_unique<SignQuantizer>(context, bits, first_is_lowest);
}

std::unique_ptr<PositionQuantizer> load_codebook_quantizer(Context& context, Checkpoint& checkpoint,
                                                           const std::string& name, std::int64_t size,
                                                           std::int64_t width, Search search) {
  std::vector<float> entries = checkpoint.floats(name + ".embedding.weight", {size, width});
  if (search == Search::cosine) entries = unit_rows(std::move(entries), width);
  Codebook codebook = pack_codebook(context, {entries.data(), size, width});
  // Without its second term the search is that of the largest product.
  if (search == Search::dot) {
    context.zero(codebook.minus_half_square.bytes(), static_cast<std::size_t>(size) * sizeof(float));
  }
  return std::make_unique<CodebookQuantizer>(std::move(codebook), search);
}

}  // namespace tessera
