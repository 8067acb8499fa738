#include "codec/image/trunk_codec.h"

#include <algorithm>

#include "codec/layers/haar.h"
#include "kernels/elementwise.h"
#include "kernels/error.h"

namespace tessera {
namespace {

class TrunkCodec final : public ImageCodec {
 public:
  TrunkCodec(Context& context, Checkpoint& checkpoint, const TrunkCodecShape& s)
      : patches_(context, s.patch, 3),
        encoder_(context, checkpoint, s.encoder),
        quant_conv_(context, checkpoint, {s.prefix + s.quant_conv}, point_1x1(s.encoder.out_channels, s.codebook_width),
                    Math::exact),
        quantizer_(load_quantizer(context, checkpoint, s)) {
    if (checkpoint.has(s.decoder.names.trunk + ".conv_in.weight")) {
      decoder_.emplace(context, checkpoint, s.decoder);
    }
    // A layer of a decoder that some checkpoints keep without one.
    const std::string back = s.prefix + s.post_quant_conv;
    if (decoder_ || checkpoint.has(back + ".weight")) {
      post_quant_conv_.emplace(context, checkpoint, std::vector{back},
                               point_1x1(s.codebook_width, s.decoder.in_channels));
    }
    checkpoint.ignore_outside(s.prefix);
    checkpoint.finish();
    info_.family = s.family;
    info_.codebook_sizes = {quantizer_->size()};
    info_.factor = static_cast<int>(s.encoder.factor() * s.patch);
    info_.decodes = decoder_.has_value();
    info_.parameters = checkpoint.parameters();
  }

  [[nodiscard]] const ImageCodecInfo& info() const override { return info_; }
  [[nodiscard]] Codes encode(Context& context, const FloatPicture& picture) const override;
  [[nodiscard]] FloatPicture decode(Context& context, const Codes& codes) const override;

 private:
  [[nodiscard]] static std::unique_ptr<PositionQuantizer> load_quantizer(Context& context, Checkpoint& checkpoint,
                                                                         const TrunkCodecShape& s);

  HaarPatches patches_;
  Trunk encoder_;
  Conv2dLayer quant_conv_;
  std::unique_ptr<PositionQuantizer> quantizer_;
  std::optional<Conv2dLayer> post_quant_conv_;
  std::optional<Trunk> decoder_;
  ImageCodecInfo info_;
};

std::unique_ptr<PositionQuantizer> TrunkCodec::load_quantizer(Context& context, Checkpoint& checkpoint,
                                                              const TrunkCodecShape& s) {
  if (!s.levels.empty()) return make_finite_scalar_quantizer(context, s.levels);
  if (s.signs) return make_sign_quantizer(context, s.codebook_width, false);
  return load_codebook_quantizer(context, checkpoint, s.prefix + "quantize", s.codebook_size, s.codebook_width,
                                 s.search);
}

Codes TrunkCodec::encode(Context& context, const FloatPicture& picture) const {
  check_picture(context, info_, picture);
  const PictureTensor latent = encoder_.forward(context, patches_.split(context, upload_frame(context, picture, 0)));
  const PictureTensor narrow = quant_conv_.forward(context, {latent});
  const Tensor x = compact(context, narrow);
  const Tensor ids = context.scratch({x.dim(0)}, DType::i32);
  quantizer_->encode(context, x, ids.ints());
  Codes codes;
  codes.grid = {1, narrow.view().rows, narrow.view().columns};
  std::vector<std::int32_t>& row = codes.rows.emplace_back(static_cast<std::size_t>(x.dim(0)));
  context.download(ids.bytes(), row.data(), row.size() * sizeof(std::int32_t));
  return codes;
}

FloatPicture TrunkCodec::decode(Context& context, const Codes& codes) const {
  if (!decoder_) {
    throw ResourceError("no_decoder", "this checkpoint of " + info_.family + " has an encoder only");
  }
  check_codes(info_, codes);
  const std::vector<std::int32_t>& row = codes.rows.front();
  const Tensor ids = context.scratch({codes.grid.positions()}, DType::i32);
  context.upload(row.data(), ids.bytes(), row.size() * sizeof(std::int32_t));
  const Tensor entries = context.scratch({codes.grid.positions(), quantizer_->width()});
  quantizer_->decode(context, ids.ints(), entries);
  const PictureTensor narrow = spread(context, entries, codes.grid.rows, codes.grid.columns);
  const PictureTensor latent = post_quant_conv_->forward(context, {narrow});
  const PictureTensor out = patches_.join(context, decoder_->forward(context, latent));
  FloatPicture picture;
  download_frame(context, out, picture);
  return picture;
}

}  // namespace

std::unique_ptr<ImageCodec> load_trunk_codec(Context& context, Checkpoint& checkpoint, const TrunkCodecShape& shape) {
  return std::make_unique<TrunkCodec>(context, checkpoint, shape);
}

PictureTensor upload_frame(Context& context, const FloatPicture& picture, std::int64_t frame) {
  const Tensor values = context.scratch({picture.rows * picture.columns, 3});
  context.upload(picture.values.data() + frame * picture.frame_size(), values.bytes(),
                 static_cast<std::size_t>(picture.frame_size()) * sizeof(float));
  return spread(context, values, picture.rows, picture.columns);
}

void download_frame(Context& context, ConstPicture frame, FloatPicture& picture) {
  const Tensor values = compact(context, frame);
  picture.rows = frame.rows;
  picture.columns = frame.columns;
  if (context.measures()) return;
  const std::size_t before = picture.values.size();
  picture.values.resize(before + static_cast<std::size_t>(values.size()));
  context.download(values.bytes(), picture.values.data() + before,
                   static_cast<std::size_t>(values.size()) * sizeof(float));
}

void check_picture(const Context& context, const ImageCodecInfo& info, const FloatPicture& p) {
  const auto refuse = [](const std::string& what) { throw InputError("unsupported_media", "picture: " + what); };
  if (!context.measures() && static_cast<std::int64_t>(p.values.size()) != p.frames * p.frame_size()) {
    throw ArgumentError("picture: the values are not frames * rows * columns * 3");
  }
  if (p.rows <= 0 || p.columns <= 0 || p.rows % info.factor != 0 || p.columns % info.factor != 0) {
    refuse("sides of " + std::to_string(p.rows) + " x " + std::to_string(p.columns) + " pixels are no multiples of " +
           std::to_string(info.factor));
  }
  if (p.frames == 1) return;
  if (info.time_factor == 0) refuse(info.family + " takes pictures, no videos");
  if (p.frames <= 0 || p.frames % info.time_factor != 0) {
    refuse(std::to_string(p.frames) + " frames are no multiple of " + std::to_string(info.time_factor));
  }
}

void check_codes(const ImageCodecInfo& info, const Codes& codes) {
  const auto refuse = [](const std::string& what) { throw InputError("bad_codes", "codes: " + what); };
  const Codes::Grid& grid = codes.grid;
  if (codes.rows.size() != static_cast<std::size_t>(info.levels))
    refuse("a picture has " + std::to_string(info.levels) + " levels of this codec, not " +
           std::to_string(codes.rows.size()));
  if (grid.frames <= 0 || grid.rows <= 0 || grid.columns <= 0) refuse("the grid is empty");
  if (grid.frames > 1 && info.time_factor == 0) refuse(info.family + " makes pictures, no videos");
  for (std::size_t level = 0; level < codes.rows.size(); ++level) {
    const std::vector<std::int32_t>& row = codes.rows[level];
    if (static_cast<std::int64_t>(row.size()) != grid.positions())
      refuse(std::to_string(row.size()) + " ids do not fill a grid of " + std::to_string(grid.positions()));
    const int size = info.codebook_sizes.at(level);
    const auto bad = std::find_if(row.begin(), row.end(), [size](std::int32_t id) { return id < 0 || id >= size; });
    if (bad != row.end()) refuse("id " + std::to_string(*bad) + " is not in 0 ... " + std::to_string(size - 1));
  }
}

Tensor compact(Context& context, ConstPicture x) {
  Tensor pixels = context.scratch({x.pixels(), x.channels});
  const std::int64_t columns = x.columns * x.channels;
  copy_rows(context, {x.data, x.rows, columns, x.row_step}, Matrix(pixels.data(), x.rows, columns));
  return pixels;
}

PictureTensor spread(Context& context, ConstMatrix pixels, std::int64_t rows, std::int64_t columns) {
  PictureTensor x(context, rows, columns, pixels.columns);
  const std::int64_t width = columns * pixels.columns;
  copy_rows(context, {pixels.data, rows, width}, Matrix(x.view().data, rows, width, x.view().row_step));
  return x;
}

}  // namespace tessera
