#include "codec/layers/picture_norm.h"

#include "kernels/norm.h"

namespace tessera {

PictureNorm::PictureNorm(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t channels,
                         const Options& options)
    : options_(options) {
  const bool spatial = options.map_channels != 0;
  const std::string norm = spatial ? name + ".norm_layer" : name;
  weight_ = load_vector(context, checkpoint, norm + ".weight", channels);
  bias_ = load_vector(context, checkpoint, norm + ".bias", channels);
  if (!spatial) return;
  const Conv2dShape shape = point_1x1(options.map_channels, channels);
  gain_.emplace(context, checkpoint, std::vector{name + ".conv_y"}, shape);
  shift_.emplace(context, checkpoint, std::vector{name + ".conv_b"}, shape);
}

NormedPicture PictureNorm::forward(Context& context, ConstPicture x, ConstPicture map, Activation activation) const {
  NormedPicture normed;
  normed.moments = context.scratch({2, x.channels});
  group_moments(context, x, options_.groups, options_.epsilon, normed.moments.data());
  normed.input.x = x;
  normed.input.moments = normed.moments.data();
  normed.input.weight = weight_.data();
  normed.input.bias = bias_.data();
  normed.input.activation = activation;
  if (!gain_) return normed;
  normed.gain = gain_->forward(context, {map});
  normed.shift = shift_->forward(context, {map});
  normed.input.gain = normed.gain;
  normed.input.shift = normed.shift;
  return normed;
}

}  // namespace tessera
